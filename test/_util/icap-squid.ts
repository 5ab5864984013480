import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { LabIdentity } from './certificate-lab.ts';
import { converse, freePorts, type ServerProcess, startServerProcess } from './server-process.ts';

/** Whether Debian's squid-openssl is installed. */
export const hasSquid: boolean = process.env['CI'] !== undefined || existsSync('/usr/sbin/squid');

/** One ICAP service that squid asks about every message of a kind. */
export interface SquidService {
  readonly port: number;
  readonly path: string;
  /** Whether squid may go on without it; a squid that may not answers 500. */
  readonly bypass?: boolean;
  /** With it icaps://, showing `identity` to a server of that CA. */
  readonly tls?: { readonly identity: LabIdentity; readonly ca: string };
}

export interface SquidOptions {
  /** Asked about requests. */
  readonly reqmod?: SquidService;
  /** Asked about responses. */
  readonly respmod?: SquidService;
  /** Further lines, which come first. `place` makes a file readable for squid; files of its own go into `dir`. */
  readonly lines?: (dir: string, place: (file: string) => string) => readonly string[];
}

/** A transaction as squid tells it. */
export interface SquidTransaction {
  readonly method: string;
  readonly url: string;
  /** Of ICAP; 0: none came. */
  readonly status: number;
  /** ICAP_OPT, ICAP_ECHO (204), ICAP_MOD (200), ICAP_SAT (blocked), ICAP_ERR_... */
  readonly outcome: string;
}

export interface SquidAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** False where squid closed before the end: so it ends what an ICAP server answered in place of the origin. */
  readonly isComplete: boolean;
  /** Squid's word for its own error, as `ERR_ICAP_FAILURE`; undefined where the answer is not squid's. */
  readonly squidError: string | undefined;
}

/** A squid that does ICAP, in front of any origin. Disposing ends it. */
export interface Squid extends AsyncDisposable {
  readonly pid: number;
  /** False once its process has ended, of itself too. */
  readonly isRunning: boolean;
  /** Fetches through it; with a body it is a POST. */
  fetch(url: string, body?: string | Buffer, headers?: Readonly<Record<string, string>>): Promise<SquidAnswer>;
  /** A file in its folder. */
  read(name: string): string;
  /** Its icap.log so far. */
  transactions(): readonly SquidTransaction[];
  /** Its own log, which tells of assertions and exceptions. */
  cacheLog(): string;
}

/** The user `proxy`, which has this number on every Debian: what squid becomes when root starts it. */
const PROXY_UID = 13;

/** Starts squid in the foreground, without a cache, and waits until it accepts connections. */
export async function startSquid(options: SquidOptions): Promise<Squid> {
  const dir = mkdtempSync(join(tmpdir(), 'icapgw-squid-'));
  chmodSync(dir, 0o755);
  const [port = 0] = await freePorts(1);
  const file = join(dir, 'squid.conf');
  const icapLog = join(dir, 'icap.log');
  const cacheLog = join(dir, 'cache.log');
  writeFileSync(icapLog, '');
  writeFileSync(cacheLog, '');
  const own = (path: string): string => {
    if (userInfo().uid === 0) chownSync(path, PROXY_UID, PROXY_UID);
    return path;
  };
  /** Squid reads keys as the user it becomes. */
  const copied = (path: string): string => {
    const copy = join(dir, path.replaceAll('/', '_'));
    copyFileSync(path, copy);
    return own(copy);
  };
  const lines = [
    ...(options.lines?.(dir, copied) ?? []),
    `http_port 127.0.0.1:${port}`,
    'visible_hostname squid.test',
    'http_access allow all',
    'cache deny all',
    'cache_mem 8 MB',
    'memory_pools off',
    'access_log none',
    'pinger_enable off',
    'shutdown_lifetime 0 seconds',
    'via off',
    'icap_enable on',
    'icap_preview_enable on',
    'icap_service_failure_limit -1',
    ...serviceLines('reqmod', options.reqmod, copied),
    ...serviceLines('respmod', options.respmod, copied),
    'logformat icaplog %icap::rm %icap::ru %icap::Hs %icap::to',
    `icap_log stdio:${icapLog} icaplog`,
    `cache_log ${cacheLog}`,
    `pid_filename ${dir}/squid.pid`,
    `coredump_dir ${dir}`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  for (const path of [dir, icapLog, cacheLog]) own(path);
  const running: ServerProcess = startServerProcess('squid', ['-N', '-f', file]);
  await running.until(async (signal) => {
    const answers = (): Promise<string> => converse({ host: '127.0.0.1', port }, 'GET / HTTP/1.0\r\n\r\n', '\r\n');
    while (!signal.aborted && !(await answers()).startsWith('HTTP/1.')) await setImmediate();
  });
  return {
    pid: running.pid,
    get isRunning() {
      return running.isRunning;
    },
    fetch: (url, body, headers) => fetchThrough(port, url, body, headers),
    read: (name) => readFileSync(join(dir, name), 'latin1'),
    transactions: () => readFileSync(icapLog, 'latin1').split('\n').filter(Boolean).map(parseTransaction),
    cacheLog: () => readFileSync(cacheLog, 'latin1'),
    async [Symbol.asyncDispose]() {
      // Asked in good order it takes a second, for nothing that a test needs.
      await running.kill();
      rmSync(dir, { recursive: true });
    },
  };
}

function serviceLines(
  point: 'reqmod' | 'respmod',
  service: SquidService | undefined,
  copied: (path: string) => string,
): readonly string[] {
  if (service === undefined) return [];
  const { port, path, bypass = false, tls } = service;
  const scheme = tls === undefined ? 'icap' : 'icaps';
  const options = [`bypass=${bypass ? 'on' : 'off'}`];
  if (tls !== undefined) {
    const { identity, ca } = tls;
    options.push(`tls-cert=${copied(identity.cert)}`, `tls-key=${copied(identity.key)}`, `tls-cafile=${copied(ca)}`);
    options.push('tls-default-ca=off', 'tls-domain=localhost');
  }
  return [
    `icap_service ${point} ${point}_precache ${scheme}://127.0.0.1:${port}${path} ${options.join(' ')}`,
    `adaptation_access ${point} allow all`,
  ];
}

function parseTransaction(line: string): SquidTransaction {
  const [method = '', url = '', status = '', outcome = ''] = line.split(' ');
  return { method, url, status: Number(status) || 0, outcome };
}

function fetchThrough(
  port: number,
  url: string,
  body?: string | Buffer,
  more: Readonly<Record<string, string>> = {},
): Promise<SquidAnswer> {
  const { host } = new URL(url);
  const headers = { ...more, Host: host, ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }) };
  const method = body === undefined ? 'GET' : 'POST';
  return new Promise((resolve, reject) => {
    // Squid closes after some answers: a connection for each request loses none to that.
    const sent = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (response) => {
      const { statusCode: status = 0 } = response;
      const squidError = response.headers['x-squid-error']?.toString().split(' ')[0];
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece)).on('error', () => response.destroy());
      response.once('close', () => {
        resolve({ status, body: Buffer.concat(pieces), isComplete: response.complete, squidError });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
