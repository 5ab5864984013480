import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { SocketAddress } from '../config/config.ts';
import { ConfigError, messageOf } from '../errors.ts';

const MIN_TOKEN_LENGTH = 16;
const MAX_TOKEN_LENGTH = 1024;

/** Reads a bearer token: the file's text without surrounding blanks. Throws `ConfigError` naming the file. */
export async function loadToken(file: string): Promise<string> {
  const refuse = (message: string): ConfigError =>
    new ConfigError('ICAPGW_CONFIG_INVALID', [
      { severity: 'error', file, line: 0, code: 'ICAPGW_CONFIG_INVALID', message: `admin.token-file ${message}` },
    ]);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw refuse(`cannot be read: ${messageOf(cause)}`);
  });
  const token = text.trim();
  if (token.length < MIN_TOKEN_LENGTH) {
    throw refuse(`holds fewer than ${MIN_TOKEN_LENGTH} characters; make one with: openssl rand -hex 32`);
  }
  // RFC 6750 2.1: what an Authorization header can carry as it is.
  if (token.length > MAX_TOKEN_LENGTH || !/^[\w.~+/-]+=*$/.test(token)) {
    throw refuse('must hold one token of letters, digits and -._~+/=; make one with: openssl rand -hex 32');
  }
  return token;
}

export interface AdminGuardOptions {
  readonly listen: SocketAddress;
  readonly token: string | undefined;
}

/** Decides which requests the admin endpoint answers. */
export class AdminGuard {
  readonly #tokenHash: Buffer | undefined;
  /** Undefined: any host. */
  readonly #hosts: ReadonlySet<string> | undefined;

  constructor({ listen, token }: AdminGuardOptions) {
    this.#tokenHash = token === undefined ? undefined : sha256(token);
    // A page on another site can make a browser ask for its own name resolved to this address, but it has no token
    // and cannot open a unix socket.
    const anyHost = token !== undefined || listen.kind === 'unix';
    this.#hosts = anyHost ? undefined : new Set(['localhost', listen.host.toLowerCase()]);
  }

  hasValidHost(request: IncomingMessage): boolean {
    const { host } = request.headers;
    if (this.#hosts === undefined || host === undefined) return true;
    const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    return isIP(name) !== 0 || this.#hosts.has(name.toLowerCase());
  }

  /** A browser shows the token as the password of any user, but only to look: it would also do so for another site's page. */
  hasValidToken(request: IncomingMessage): boolean {
    if (this.#tokenHash === undefined) return true;
    const { authorization = '' } = request.headers;
    const given =
      /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? (isReading(request) ? passwordOf(authorization) : undefined);
    // Hashes are compared, so that neither content nor length shows in the time this takes.
    return given !== undefined && timingSafeEqual(sha256(given), this.#tokenHash);
  }

  /**
   * Whether a request is not another site's idea. Browsers say who made them ask; what is no browser says nothing. A link
   * from elsewhere may be followed.
   */
  isOwnIdea(request: IncomingMessage): boolean {
    const { origin, host, 'sec-fetch-site': site = 'none', 'sec-fetch-mode': mode } = request.headers;
    if (isReading(request) && mode === 'navigate') return true;
    if (origin !== undefined && hostOf(origin) !== host?.toLowerCase()) return false;
    return site === 'same-origin' || site === 'none';
  }
}

function isReading({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function passwordOf(authorization: string): string | undefined {
  const [, encoded] = /^Basic +(\S+)$/i.exec(authorization) ?? [];
  return encoded && /:(.*)$/s.exec(Buffer.from(encoded, 'base64').toString())?.[1];
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
