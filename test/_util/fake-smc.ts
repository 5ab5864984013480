import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, isIPv4, isIPv6 } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { LabIdentity } from './certificate-lab.ts';

export type SmcOperationName =
  | 'versions'
  | 'login'
  | 'entry-points'
  | 'engines'
  | 'engine'
  | 'add'
  | 'logout'
  | 'other';

export interface SmcCall {
  readonly operation: SmcOperationName;
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly engine: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface SmcFault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `reset`: the connection is cut. `hang`: no answer ever. `lose`: done, but the answer is cut off. `forget`: the session is over, then as ever. */
  readonly act?: 'reset' | 'hang' | 'lose' | 'forget';
  /** It is done at once, and answered only then. */
  readonly until?: Promise<unknown>;
}

export interface FakeEngine {
  readonly name: string;
  readonly type?: string;
  /** Without the link to a list of blocked addresses, as elements that are no firewalls are. */
  readonly isListless?: boolean;
}

export interface BlockEntry {
  readonly end_point1: EndPoint;
  readonly end_point2: EndPoint;
  readonly duration: number;
}

interface EndPoint {
  readonly address_mode: string;
  readonly ip_network?: string;
}

export interface FakeSmcOptions {
  readonly versions?: readonly string[];
  readonly apiKey?: string;
  readonly domain?: string;
  readonly engines?: readonly FakeEngine[];
  /** "Use SSL for session ID": no cookie, but a token in `Authorization`. */
  readonly isCookieless?: boolean;
  /** What the SMC takes itself for; hrefs name it. */
  readonly ownName?: string;
  readonly tls?: LabIdentity;
  /** Asked before each request is served; undefined: as ever. */
  readonly fault?: (call: SmcCall) => SmcFault | undefined;
}

/**
 * A Forcepoint management server as far as blocking addresses goes: what it answers was taken from the vendor's own client
 * library. It is strict where that is known to be. Disposing cuts its connections.
 */
export interface FakeSmc extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly SmcCall[];
  /** Sessions that nobody has ended. */
  readonly sessionCount: number;
  /** What a request was refused for although no fault was asked for. */
  readonly complaints: readonly string[];
  apiKey: string;
  engines: readonly FakeEngine[];
  fault: (call: SmcCall) => SmcFault | undefined;
  /** What an engine has been told to block, in order. */
  entriesOf(engine: string): readonly BlockEntry[];
  /** The addresses an engine has been told to block, as often as it was. */
  addressesOf(engine: string): readonly string[];
  /** Whether what an engine has been told keeps an address from being a source and a destination at a time: entries end by themselves. */
  isBlocking(engine: string, address: string, atMs: number): boolean;
  callsOf(operation: SmcOperationName, engine?: string): readonly SmcCall[];
  /** Ends all sessions, as a restart does. */
  forgetSessions(): void;
}

const MAX_BODY_BYTES = 1024 * 1024;

/** Starts one on a free port, or on the port of one that went away. */
export async function startFakeSmc(options: FakeSmcOptions = {}, port = 0): Promise<FakeSmc> {
  const { tls } = options;
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    smc.serve(request, response).catch(() => response.destroy());
  };
  const server =
    tls === undefined
      ? createHttpServer(listener)
      : createHttpsServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, listener);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${bound}`;
  const smc = new ManagementServer(url, options);
  return Object.assign(smc, {
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  });
}

class ManagementServer implements Omit<FakeSmc, typeof Symbol.asyncDispose> {
  readonly url: string;
  readonly calls: SmcCall[] = [];
  readonly complaints: string[] = [];
  apiKey: string;
  engines: readonly FakeEngine[];
  fault: (call: SmcCall) => SmcFault | undefined;
  readonly #options: FakeSmcOptions;
  readonly #sessions: Set<string> = new Set();
  readonly #entries: Map<string, BlockEntry[]> = new Map();
  readonly #endsMs: WeakMap<BlockEntry, number> = new WeakMap();
  #lastSession = 0;

  constructor(url: string, options: FakeSmcOptions) {
    this.url = url;
    this.#options = options;
    this.apiKey = options.apiKey ?? 'key-of-the-api-client';
    this.engines = options.engines ?? [{ name: 'NGFW 1' }];
    this.fault = options.fault ?? (() => undefined);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  entriesOf(engine: string): readonly BlockEntry[] {
    return this.#entries.get(engine) ?? [];
  }

  addressesOf(engine: string): readonly string[] {
    const networks = this.entriesOf(engine).flatMap(({ end_point2 }) => end_point2.ip_network ?? []);
    return networks.map((network) => network.replace(/\/\d+$/, ''));
  }

  isBlocking(engine: string, address: string, atMs: number): boolean {
    const inForce = this.entriesOf(engine).filter((entry) => (this.#endsMs.get(entry) ?? 0) > atMs);
    const has = ({ ip_network: network }: EndPoint): boolean => network?.replace(/\/\d+$/, '') === address;
    return (
      inForce.some(({ end_point1: from, end_point2: to }) => has(from) && to.address_mode === 'any') &&
      inForce.some(({ end_point1: from, end_point2: to }) => has(to) && from.address_mode === 'any')
    );
  }

  callsOf(operation: SmcOperationName, engine?: string): readonly SmcCall[] {
    return this.calls.filter(
      (call) => call.operation === operation && (engine === undefined || call.engine === engine),
    );
  }

  forgetSessions(): void {
    this.#sessions.clear();
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await buffer(request)).toString('utf8');
    const { method = '', url: target = '', headers } = request;
    const call: SmcCall = { ...this.#route(method, target), method, target, headers, body };
    this.calls.push(call);
    const fault = this.fault(call);
    if (fault?.act === 'hang') return;
    if (fault?.act === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (fault?.act === 'forget') this.forgetSessions();
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers });
      response.end(fault.body ?? JSON.stringify({ message: 'Injected', details: ['a fault'], status: '0' }));
      return;
    }
    const answer = this.#answer(call);
    await fault?.until;
    if (fault?.act === 'lose') {
      request.socket.resetAndDestroy();
      return;
    }
    if (answer.status >= 400) this.complaints.push(`${answer.status} ${call.method} ${call.target}`);
    response.writeHead(answer.status, { 'Content-Type': 'application/json', ...answer.headers });
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }

  #route(method: string, target: string): Pick<SmcCall, 'operation' | 'engine'> {
    const [path = '', query] = target.split('?');
    const [, version = '', first, second, id, last] = path.split('/');
    const is = (wanted: string, ...parts: readonly (string | undefined)[]): boolean =>
      method === wanted && parts.every((part) => part === undefined);
    if (path === '/api' && method === 'GET') return { operation: 'versions', engine: undefined };
    if (!this.#versions.includes(version)) return { operation: 'other', engine: undefined };
    if (first === 'login' && is('POST', second)) return { operation: 'login', engine: undefined };
    if (first === 'logout' && is('PUT', second)) return { operation: 'logout', engine: undefined };
    if (first === 'api' && is('GET', second)) return { operation: 'entry-points', engine: undefined };
    if (first !== 'elements') return { operation: 'other', engine: undefined };
    if (query === 'filter_context=engine_clusters' && is('GET', second))
      return { operation: 'engines', engine: undefined };
    const engine = this.engines.find(
      (each, index) => (each.type ?? 'single_fw') === second && String(index + 1) === id,
    );
    if (engine !== undefined && is('GET', last)) return { operation: 'engine', engine: engine.name };
    if (engine !== undefined && method === 'POST' && last === relOf(version)) {
      return { operation: 'add', engine: engine.name };
    }
    return { operation: 'other', engine: undefined };
  }

  #answer(call: SmcCall): Answer {
    if (call.operation === 'versions') return this.#offer(call);
    if (call.operation === 'login') return this.#login(call);
    const session = sessionOf(call);
    if (session === undefined || !this.#sessions.has(session)) return refuse(401, 'Authentication required');
    const version = call.target.split('/')[1] ?? '';
    const href = (path: string): string => `${this.#ownName}/${version}${path}`;
    switch (call.operation) {
      case 'entry-points': {
        const points = ['elements', 'logout', relOf(version), 'current_user', 'system'];
        return done({ entry_point: points.map((rel) => ({ href: href(`/${rel}`), rel, method: 'GET' })) });
      }
      case 'engines':
        return done({
          result: this.engines.map(({ name, type = 'single_fw' }, index) => ({
            href: href(`/elements/${type}/${index + 1}`),
            name,
            type,
          })),
        });
      case 'engine': {
        const {
          name,
          isListless,
          type = 'single_fw',
        } = this.engines.find((each) => each.name === call.engine) as FakeEngine;
        const self = call.target;
        const rels = isListless === true ? ['self'] : ['self', relOf(version), `flush_${relOf(version)}`];
        const link = rels.map((rel) => ({
          href: `${this.#ownName}${self}${rel === 'self' ? '' : `/${rel}`}`,
          rel,
          ...(rel === 'self' && { type }),
        }));
        return { ...done({ name, key: 1, nodes: [], link }), headers: { ETag: '"MTc1NTc"' } };
      }
      case 'add':
        return this.#add(call);
      case 'logout':
        this.#sessions.delete(session);
        return { status: 204 };
      default:
        return refuse(404, 'HTTP 404 Not Found');
    }
  }

  #offer({ headers }: SmcCall): Answer {
    if (headers.cookie !== undefined || headers.authorization !== undefined)
      this.complaints.push('a credential at /api');
    return done({ version: this.#versions.map((rel) => ({ href: `${this.#ownName}/${rel}/api`, rel })) });
  }

  #login(call: SmcCall): Answer {
    const { authenticationkey, domain, ...others } = jsonOf(call) as Record<string, unknown>;
    if (Object.keys(others).length > 0) return refuse(400, `Unknown field ${Object.keys(others).join()}`);
    if (authenticationkey !== this.apiKey) return refuse(401, `Login failed with ${String(authenticationkey)}`);
    if (this.#options.domain !== undefined && domain !== this.#options.domain) return refuse(401, 'No such domain');
    this.#lastSession += 1;
    const session = `SESSION${this.#lastSession}`;
    this.#sessions.add(session);
    const headers: Record<string, string> =
      this.#options.isCookieless === true
        ? { Authorization: `Bearer ${session}` }
        : { 'Set-Cookie': `JSESSIONID=${session}; Path=/; HttpOnly` };
    return { status: 200, headers };
  }

  #add(call: SmcCall): Answer {
    if (call.headers['content-type'] !== 'application/json') return refuse(415, 'HTTP 415 Unsupported Media Type');
    if (call.body.length > MAX_BODY_BYTES) return refuse(413, 'Payload too large');
    const { entries, ...others } = jsonOf(call) as Record<string, unknown>;
    if (!Array.isArray(entries) || Object.keys(others).length > 0) return refuse(400, 'The request is not well-formed');
    const wrong = entries.find((entry) => !isEntry(entry));
    if (wrong !== undefined) return refuse(400, `Invalid entry ${JSON.stringify(wrong)}`);
    const list = this.#entries.get(call.engine ?? '') ?? [];
    this.#entries.set(call.engine ?? '', list);
    for (const entry of entries as BlockEntry[]) this.#endsMs.set(entry, Date.now() + entry.duration * 1000);
    list.push(...(entries as BlockEntry[]));
    return { status: 201 };
  }

  get #versions(): readonly string[] {
    return this.#options.versions ?? ['6.7'];
  }

  get #ownName(): string {
    return this.#options.ownName ?? this.url;
  }
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

function done(body: unknown): Answer {
  return { status: 200, body };
}

function refuse(status: number, message: string): Answer {
  return { status, body: { message, details: [message], status: '0' } };
}

/** It was renamed in 7.0. */
function relOf(version: string): string {
  return Number(version.split('.')[0]) >= 7 ? 'block_list' : 'blacklist';
}

function sessionOf({ headers }: SmcCall): string | undefined {
  return (
    /(?:^|; )JSESSIONID=([^;]+)/.exec(headers.cookie ?? '')?.[1] ??
    /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
  );
}

function jsonOf({ body }: SmcCall): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

function isEntry(entry: BlockEntry): boolean {
  const { end_point1, end_point2, duration, ...others } = entry;
  const sides = [end_point1, end_point2];
  return (
    Object.keys(others).length === 0 &&
    Number.isInteger(duration) &&
    duration > 0 &&
    sides.every(isEndPoint) &&
    sides.some(({ address_mode }) => address_mode === 'address')
  );
}

function isEndPoint({ address_mode, ip_network, ...others }: EndPoint): boolean {
  if (Object.keys(others).length > 0) return false;
  if (address_mode === 'any') return ip_network === undefined;
  const [address = '', prefix] = ip_network?.split('/') ?? [];
  return address_mode === 'address' && ((isIPv4(address) && prefix === '32') || (isIPv6(address) && prefix === '128'));
}
