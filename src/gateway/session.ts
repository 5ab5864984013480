import type { ConnectionEntry } from '../observe/connection-entry.ts';
import type { Client } from './client.ts';
import type { ServiceContext } from './context.ts';

/** Why a session is ended from outside. */
export type CutReason = 'drain' | 'blocked' | 'trust-withdrawn';

/** One admitted connection of a service, to its end. */
export interface Session {
  readonly client: Client;
  start(): void;
  /** Called about once a second: ends what has been idle for too long. */
  sweep(nowMs: number): void;
  /** Ends as soon as nothing is lost by it. */
  drain(): void;
  /** What the service trusts has changed: ends a client that would not be let in any more. */
  reconsider(service: ServiceContext): void;
  /** Ends now. */
  cut(reason: CutReason): void;
  describe(): ConnectionEntry;
}

export interface SessionOptions {
  readonly service: ServiceContext;
  readonly client: Client;
  /** Called once, when everything it held is given back. */
  readonly onGone: (session: Session) => void;
}
