import type { Duplex } from 'node:stream';
import type { ModMethod } from '../config/icap-config.ts';
import type { ServiceOptions } from '../icap/service-options.ts';

export type ProbeType = 'tcp' | 'tls' | 'icap';

/**
 * Why a probe failed: a closed set, also a metric label. `verdict`: content was judged wrongly, or not at all. `local`:
 * this machine ran out of something, which says nothing about the member.
 */
export type ProbeFailure =
  | 'refused'
  | 'timeout'
  | 'reset'
  | 'unreachable'
  | 'tls'
  | 'protocol'
  | 'status'
  | 'verdict'
  | 'resolve'
  | 'local';

/** What is wrong with a member. `detail` is for people. */
export interface Problem {
  readonly reason: ProbeFailure;
  readonly detail: string;
}

/** What one probe found out, and how long it took. */
export type ProbeResult =
  | { readonly ok: true; readonly ms: number }
  | ({ readonly ok: false; readonly ms: number } & Problem);

export interface ProbeOptions {
  /** For the whole probe, connecting included. */
  readonly timeoutMs: number;
  /** Ends the probe for the owner's own reasons. */
  readonly signal: AbortSignal;
}

/** Asks one member once whether it is well. Settles by its deadline; rejects only when the owner's signal was aborted. */
export type Probe = (options: ProbeOptions) => Promise<ProbeResult>;

/**
 * Opens what is talked over, TLS included where the backend has it; a `tcp` probe asks for the bare connection. Must
 * reject when the signal is aborted, and leave no socket behind then.
 */
export type Dial = (signal: AbortSignal) => Promise<Duplex>;

/** Content to be judged for a trial, and by which path. */
export interface DeepCheck {
  readonly path: string;
  /** Undefined: REQMOD, unless the member says that it only takes RESPMOD. */
  readonly method: ModMethod | undefined;
}

/** What an `icap` probe asks for. */
export interface IcapExpectation {
  /** `host:port` for the URI and the Host field. */
  readonly authority: string;
  /** Undefined: any ICAP answer to `OPTIONS /` is a sign of life; set: the answer must be 2xx. */
  readonly path: string | undefined;
  /** What the answer for `path` must list. */
  readonly methods: readonly ModMethod[];
  readonly deep: DeepCheck | undefined;
  /** Told what the member says of itself, whatever the probe makes of it. */
  readonly onOptions: (options: ServiceOptions) => void;
}

export interface ProbeTarget {
  readonly dial: Dial;
  /** Only for `icap`. */
  readonly icap: IcapExpectation;
}

/** Whether what came of a conversation is a problem instead. */
export function isProblem<T>(outcome: T | Problem): outcome is Problem {
  return typeof outcome === 'object' && outcome !== null && 'reason' in outcome && 'detail' in outcome;
}
