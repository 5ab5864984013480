import type { TLSSocket } from 'node:tls';
import type { HandshakeProblem } from './handshake-failure.ts';
import type { PskFile } from './psk-file.ts';

/** The pre-shared keys that a service takes. */
export class PskKeys {
  /** Whether the service has no certificate, so that nobody gets in without a key. */
  readonly isSole: boolean;
  readonly #keys: ReadonlyMap<string, Buffer>;

  constructor({ lines }: PskFile, isSole: boolean) {
    this.isSole = isSole;
    this.#keys = new Map(lines.map(({ identity, keyHex }) => [identity, Buffer.from(keyHex, 'hex')]));
  }

  keyOf(identity: string): Buffer | undefined {
    return this.#keys.get(identity);
  }

  /** Whether all of these keys are among `others`, for the same identities. */
  isPartOf(others: PskKeys): boolean {
    return [...this.#keys].every(([identity, key]) => others.keyOf(identity)?.equals(key) === true);
  }
}

/** For whom a key was given out, which says nothing of whether it was the right one. */
const offered: WeakMap<TLSSocket, string> = new WeakMap();

/** What node:tls asks for the key of a client; it must not throw. */
export function createPskCallback(keys: PskKeys): (socket: TLSSocket, identity: string) => Buffer | null {
  return (socket, identity) => {
    const key = keys.keyOf(identity);
    if (key !== undefined) offered.set(socket, identity);
    return key ?? null;
  };
}

/** That a client knew a pre-shared key. */
export class PskProof {
  /** Whose key; undefined: a session was resumed that can only have begun with one. */
  readonly identity: string | undefined;
  readonly #keys: PskKeys;

  constructor(identity: string | undefined, keys: PskKeys) {
    this.identity = identity;
    this.#keys = keys;
  }

  /** Whether the key is not taken any more by what the service takes now. */
  isWithdrawn(now: PskKeys | undefined): boolean {
    if (now === undefined) return true;
    // Whose it was is not known: it may be any that is gone.
    if (this.identity === undefined) return !this.#keys.isPartOf(now);
    const key = this.#keys.keyOf(this.identity);
    return key === undefined || now.keyOf(this.identity)?.equals(key) !== true;
  }
}

/** What a finished handshake proves; undefined where the client showed a certificate, or nothing. */
export function pskProofOf(socket: TLSSocket, keys: PskKeys | undefined): PskProof | undefined {
  if (keys === undefined) return undefined;
  const identity = offered.get(socket);
  if (identity !== undefined && hasUsedKey(socket)) return new PskProof(identity, keys);
  return keys.isSole && hasResumedKeyed(socket) ? new PskProof(undefined, keys) : undefined;
}

/** Why a client may not pass, whatever else is asked of it: with a cipher without authentication nothing is proved. */
export function judgeKey(keys: PskKeys | undefined, proof: PskProof | undefined): HandshakeProblem | undefined {
  if (keys?.isSole !== true || proof !== undefined) return undefined;
  return { reason: 'no-key', detail: 'the client did not use a pre-shared key' };
}

/** A session of TLS 1.2 has the cipher that it began with; TLS 1.3 has none without a certificate or a key. */
function hasResumedKeyed(socket: TLSSocket): boolean {
  if (!socket.isSessionReused()) return false;
  return socket.getProtocol() === 'TLSv1.3' || isPskCipher(socket.getCipher().name);
}

/**
 * Whether the handshake was made with the key that was given out. In TLS 1.3 OpenSSL takes it for one of SHA-256 and
 * passes it over where the cipher has another hash; used, it looks like a session that is resumed.
 */
function hasUsedKey(socket: TLSSocket): boolean {
  const { name } = socket.getCipher();
  const resumed = socket.isSessionReused();
  return socket.getProtocol() === 'TLSv1.3' ? resumed && name.endsWith('_SHA256') : !resumed && isPskCipher(name);
}

/**
 * Whether a client made a full handshake with its key, and no certificate: a session of an earlier connection must not
 * have been offered.
 */
export function hasProvedKey(socket: TLSSocket): boolean {
  return socket.getProtocol() === 'TLSv1.3' ? socket.isSessionReused() : isPskCipher(socket.getCipher().name);
}

function isPskCipher(name: string): boolean {
  return /(?:^|-)PSK-/.test(name);
}
