import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Address } from '../config/config.ts';
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
  readonly listen: Address;
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

  hasValidToken(request: IncomingMessage): boolean {
    if (this.#tokenHash === undefined) return true;
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    // Hashes are compared, so that neither content nor length shows in the time this takes.
    return given !== undefined && timingSafeEqual(sha256(given), this.#tokenHash);
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
