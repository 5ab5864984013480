import type { BlockedReport } from './blocked-report.ts';
import type { ConnectionList } from './connection-entry.ts';
import type { ReloadResult } from './reload-result.ts';

/** What an operator may wish of a backend. */
export const BACKEND_WISHES = ['ready', 'drain', 'maint'] as const;
export type BackendWish = (typeof BACKEND_WISHES)[number];

/** `guarded`: it is never blocked. `unavailable`: it could not be written down. */
export type RefusalReason = 'unknown' | 'invalid' | 'full' | 'guarded' | 'unavailable';

/** What became of a wish. The detail is a sentence for people. */
export type ControlResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: RefusalReason; readonly detail: string };

/** An address or network whose clients are turned away. */
export interface BlockedAddress {
  readonly address: string;
  /** ISO time; null: until it is unblocked. */
  readonly until: string | null;
}

export type BlockResult =
  | Exclude<ControlResult, { readonly ok: true }>
  | ({
      readonly ok: true;
      /** What it falls short of, as the rest of a sentence: nobody comes here, or it ends with a restart. Undefined: nothing. */
      readonly warning?: string | undefined;
    } & BlockedAddress);

/** What the admin endpoint can do to a running gateway. */
export interface Control {
  setBackend(service: string, backend: string, wish: BackendWish): ControlResult;
  /** Holds until the next reload. */
  setWeight(service: string, backend: string, weight: number): ControlResult;
  /** The oldest connections, at most so many; undefined when the workers do not answer. */
  connections(limit: number): Promise<ConnectionList | undefined>;
  /** New connections from there are turned away, open ones are cut, in every worker once it resolves. `ttlMs` undefined: until it is unblocked. */
  block(address: string, ttlMs: number | undefined): Promise<BlockResult>;
  /** Whoever blocked it. What engines hold stays there. */
  unblock(address: string): Promise<ControlResult>;
  /** What operators have blocked, in the order in which they did. */
  blocked(): readonly BlockedAddress[];
  /** All that is blocked, at most so many entries. */
  blockedReport(limit: number): BlockedReport;
  /** Takes the configuration file as it is now; what cannot be used changes nothing. */
  reload(): Promise<ReloadResult>;
}
