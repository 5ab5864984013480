import type { BackendEvidence } from './backend-auth.ts';

/** A session that can be resumed, with what the other side showed when it began: a resumption shows nothing. */
export interface RememberedSession extends BackendEvidence {
  /** As node:tls gives and takes it. */
  readonly session: Buffer;
  /** When the full handshake was, as `Date.now()`. */
  readonly startedMs: number;
}

/** More places than a backend has addresses. */
const MAX_SESSIONS = 64;

/**
 * The last session with each place, for as long as they last. That of a resumed connection inherits the start of the
 * first, so that now and then the whole certificate is shown and judged again.
 */
export class SessionCache {
  readonly #lifetimeMs: number;
  readonly #sessions: Map<string, RememberedSession> = new Map();

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  find(place: string, nowMs: number): RememberedSession | undefined {
    const known = this.#sessions.get(place);
    if (known === undefined) return undefined;
    // A clock that was set back must not make a session last longer.
    if (nowMs >= known.startedMs && nowMs - known.startedMs < this.#lifetimeMs) return known;
    this.#sessions.delete(place);
    return undefined;
  }

  remember(place: string, session: RememberedSession): void {
    this.#sessions.delete(place);
    this.#sessions.set(place, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }

  forget(place: string): void {
    this.#sessions.delete(place);
  }
}
