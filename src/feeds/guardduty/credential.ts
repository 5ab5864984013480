import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What a request must show; undefined: that is not asked for. */
export interface CredentialOptions {
  readonly token: string | undefined;
  readonly hmacKey: string | undefined;
}

/** `missing`: nothing was shown. `wrong`: what was shown is another one, or too old. */
export type CredentialVerdict = 'right' | 'missing' | 'wrong';

const MAX_AGE_SECONDS = 300;

/** Judges what requests show. All comparisons take as long for a wrong secret as for the right one. */
export class Credential {
  readonly #tokenHash: Buffer | undefined;
  readonly #hmacKey: string | undefined;

  constructor({ token, hmacKey }: CredentialOptions) {
    this.#tokenHash = token === undefined ? undefined : sha256(token);
    this.#hmacKey = hmacKey;
  }

  /** What can be said before the body is read: the token, and whether there is a signature that is not too old. */
  judgeHead(headers: IncomingHttpHeaders, query: string, nowMs: number): CredentialVerdict {
    const token = this.#judgeToken(headers, query);
    if (token !== 'right' || this.#hmacKey === undefined) return token;
    const { 'x-icapgw-timestamp': timestamp, 'x-icapgw-signature': signature } = headers;
    if (timestamp === undefined || signature === undefined) return 'missing';
    const isDated = typeof timestamp === 'string' && /^\d{1,12}$/.test(timestamp);
    return isDated && Math.abs(nowMs / 1000 - Number(timestamp)) <= MAX_AGE_SECONDS ? 'right' : 'wrong';
  }

  /** After `judgeHead`: whether the signature is one of this body. */
  judgeBody(headers: IncomingHttpHeaders, body: Uint8Array): CredentialVerdict {
    if (this.#hmacKey === undefined) return 'right';
    const { 'x-icapgw-timestamp': timestamp, 'x-icapgw-signature': signature } = headers;
    const given = /^sha256=([\da-f]{64})$/i.exec(String(signature))?.[1];
    const wanted = createHmac('sha256', this.#hmacKey)
      .update(`${String(timestamp)}.`)
      .update(body)
      .digest();
    return given !== undefined && timingSafeEqual(Buffer.from(given, 'hex'), wanted) ? 'right' : 'wrong';
  }

  #judgeToken(headers: IncomingHttpHeaders, query: string): CredentialVerdict {
    const wanted = this.#tokenHash;
    if (wanted === undefined) return 'right';
    const given = tokensOf(headers, query);
    // Hashes are compared, so that neither content nor length shows in the time this takes.
    const matches = given.filter((token) => timingSafeEqual(sha256(token), wanted));
    if (matches.length > 0) return 'right';
    return given.length === 0 ? 'missing' : 'wrong';
  }
}

/** From all places where a token may stand. */
function tokensOf(headers: IncomingHttpHeaders, query: string): readonly string[] {
  const { authorization = '', 'x-icapgw-token': header } = headers;
  const bearer = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  const parameter = /(?:^|&)token=([^&]*)/.exec(query)?.[1];
  return [bearer, header, parameter === undefined ? undefined : decoded(parameter)]
    .flat()
    .filter((token): token is string => token !== undefined && token !== '');
}

// A plus stands for itself: no secret holds a blank.
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
