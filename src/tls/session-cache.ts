import { X509Certificate } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import type { BackendEvidence } from './backend-auth.ts';
import type { SharedSessions } from './shared-sessions.ts';

/** A session that can be resumed, with what the other side showed when it began: a resumption shows nothing. */
export interface RememberedSession extends BackendEvidence {
  /** As node:tls gives and takes it. */
  readonly session: Buffer;
  /** When the full handshake was, as `Date.now()`. */
  readonly startedMs: number;
}

/** Where sessions are kept, by a place of a backend. */
export interface SessionStore {
  get(place: string): RememberedSession | undefined;
  set(place: string, session: RememberedSession): void;
  delete(place: string): void;
}

/** More places than a backend has addresses. */
const MAX_PLACES = 64;

/**
 * The last session with each place, for as long as they last. That of a resumed connection inherits the start of the
 * first, so that now and then the whole certificate is shown and judged again.
 */
export class SessionCache {
  readonly #lifetimeMs: number;
  readonly #store: SessionStore;
  /** Places that broke off when they were offered a session of their own, and until when. */
  readonly #refusedUntilMs: Map<string, number> = new Map();

  constructor(lifetimeMs: number, store: SessionStore = new LocalSessions()) {
    this.#lifetimeMs = lifetimeMs;
    this.#store = store;
  }

  find(place: string, nowMs: number): RememberedSession | undefined {
    if (nowMs < (this.#refusedUntilMs.get(place) ?? 0)) return undefined;
    const known = this.#store.get(place);
    if (known === undefined) return undefined;
    // A clock that was set back must not make a session last longer.
    if (nowMs >= known.startedMs && nowMs - known.startedMs < this.#lifetimeMs) return known;
    this.#store.delete(place);
    return undefined;
  }

  remember(place: string, session: RememberedSession): void {
    this.#store.set(place, session);
  }

  forget(place: string): void {
    this.#store.delete(place);
  }

  /** The place broke off over a session: none is found for it as long as one would last. */
  refuse(place: string, nowMs: number): void {
    this.forget(place);
    this.#refusedUntilMs.delete(place);
    this.#refusedUntilMs.set(place, nowMs + this.#lifetimeMs);
    const [oldest] = this.#refusedUntilMs.keys();
    if (this.#refusedUntilMs.size > MAX_PLACES && oldest !== undefined) this.#refusedUntilMs.delete(oldest);
  }
}

/** Sessions of one thread. */
class LocalSessions implements SessionStore {
  readonly #sessions: Map<string, RememberedSession> = new Map();

  get(place: string): RememberedSession | undefined {
    return this.#sessions.get(place);
  }

  set(place: string, session: RememberedSession): void {
    this.#sessions.delete(place);
    this.#sessions.set(place, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MAX_PLACES && oldest !== undefined) this.#sessions.delete(oldest);
  }

  delete(place: string): void {
    this.#sessions.delete(place);
  }
}

/** Sessions that all workers share. `scope` stands for all by which they were judged, so that no other policy finds them. */
export function shareSessions(shared: SharedSessions, scope: string): SessionStore {
  const nameOf = (place: string): string => `${scope} ${place}`;
  return {
    get(place) {
      const bytes = shared.get(nameOf(place));
      return bytes === undefined ? undefined : decode(bytes);
    },
    set: (place, session) => shared.set(nameOf(place), encode(session)),
    delete: (place) => shared.delete(nameOf(place)),
  };
}

function encode({ certificate, ...rest }: RememberedSession): Buffer {
  return serialize({ ...rest, der: certificate?.raw });
}

/** Of memory that only this process writes. */
function decode(bytes: Buffer): RememberedSession {
  const { der, ...rest } = deserialize(bytes) as Omit<RememberedSession, 'certificate'> & { readonly der?: Buffer };
  return { ...rest, certificate: der === undefined ? undefined : new X509Certificate(der) };
}
