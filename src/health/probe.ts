import type { Duplex } from 'node:stream';

export type ProbeType = 'tcp' | 'tls' | 'icap';

/** Why a probe failed: a closed set, also a metric label. */
export type ProbeFailure = 'refused' | 'timeout' | 'reset' | 'unreachable' | 'tls' | 'protocol' | 'status' | 'resolve';

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

export interface ProbeTarget {
  /**
   * Opens what the probe talks over, TLS included where the backend has it; a `tcp` probe asks for the bare connection.
   * Must reject when the signal is aborted, and leave no socket behind then.
   */
  readonly dial: (signal: AbortSignal) => Promise<Duplex>;
  /** `host:port` for the URI and the Host field of an `icap` probe. */
  readonly authority: string;
  /** Only for `icap`. Undefined: any ICAP answer to `OPTIONS /` is a sign of life; set: the answer must be 2xx. */
  readonly path: string | undefined;
}
