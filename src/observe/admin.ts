import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Address, AdminConfig } from '../config/config.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import { AdminGuard } from './admin-guard.ts';
import { bindAdmin } from './admin-socket.ts';
import type { Logger } from './logger.ts';
import type { AdminSources } from './status.ts';
import { renderStatusPage, STATUS_PAGE_CSP } from './status-page.ts';

export interface AdminOptions extends Pick<AdminConfig, 'explicit'> {
  readonly listen: Address;
  /** Asked of everything but `/livez` and `/readyz`. */
  readonly token: string | undefined;
  readonly sources: AdminSources;
  readonly log: Logger;
}

export interface AdminServer extends AsyncDisposable {
  /** As really bound: `host:port` or `unix:/path`. */
  readonly address: string;
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Route = (sources: AdminSources) => Reply | Promise<Reply>;

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

const OPEN_ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/livez', () => ({ status: 200, type: TEXT, body: 'ok\n' })],
  ['/readyz', replyReadiness],
]);

const GUARDED_ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/', replyPage],
  ['/metrics', async (sources) => ({ status: 200, type: PROMETHEUS, body: await sources.metricsText() })],
  ['/api/v1/status', (sources) => json(200, sources.status())],
]);

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

/** A handful of scrapers and an operator: anything beyond is a mistake or an attack. */
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8 * 1024;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 30_000;

/**
 * Listens for operators and monitors. Throws `ICAPGW_LISTEN` where the address cannot be used; when it is only the
 * default, says so in a warning and returns undefined instead.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer | undefined> {
  const { listen, explicit, log } = options;
  const guard = new AdminGuard(options);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: HEADERS_TIMEOUT_MS,
    },
    (request, response) => {
      answer(request, options, guard)
        .catch((error: unknown) => {
          log.log('admin-request-failed', { path: pathOf(request), detail: messageOf(error) });
          return json(500, { error: 'the answer could not be made; the log says why' });
        })
        .then(
          (reply) => send(response, reply),
          () => response.destroy(),
        );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_TIMEOUT_MS);
  try {
    const address = await bindAdmin(server, listen);
    // Out of descriptors, say: without a listener this would end the process.
    server.on('error', (error) => log.log('admin-request-failed', { path: undefined, detail: messageOf(error) }));
    log.log('admin-listening', { address });
    return {
      address,
      async [Symbol.asyncDispose]() {
        const { promise, resolve } = Promise.withResolvers<void>();
        server.close(() => resolve());
        server.closeAllConnections();
        await promise;
      },
    };
  } catch (error) {
    if (explicit || !(error instanceof RuntimeError)) throw error;
    const address = listen.kind === 'unix' ? `unix:${listen.path}` : `${listen.host}:${listen.port}`;
    log.log('admin-unavailable', { address, detail: messageOf(error.cause) });
    return undefined;
  }
}

async function answer(request: IncomingMessage, options: AdminOptions, guard: AdminGuard): Promise<Reply> {
  const { sources, log } = options;
  const path = pathOf(request);
  const client = request.socket.remoteAddress ?? 'unix';
  if (!guard.hasValidHost(request)) {
    log.log('admin-request-refused', { client, path, reason: 'host' });
    return json(421, { error: 'this address does not serve the host named in the request' });
  }
  const open = OPEN_ROUTES.get(path);
  if (open === undefined && !guard.hasValidToken(request)) {
    log.log('admin-request-refused', { client, path, reason: 'token' });
    const headers = { 'WWW-Authenticate': 'Bearer realm="icapgw"' };
    return { ...json(401, { error: 'a bearer token is needed: Authorization: Bearer TOKEN' }), headers };
  }
  const route = open ?? GUARDED_ROUTES.get(path);
  if (route === undefined) return json(404, { error: 'there is nothing here' });
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { ...json(405, { error: 'only GET and HEAD' }), headers: { Allow: 'GET, HEAD' } };
  }
  return await route(sources);
}

function send(response: ServerResponse, { status, type, body, headers }: Reply): void {
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

function replyReadiness(sources: AdminSources): Reply {
  const { state, servicesDown } = sources.readiness();
  if (state !== 'ready') return { status: 503, type: TEXT, body: `not ready: ${state}\n` };
  if (servicesDown.length === 0) return { status: 200, type: TEXT, body: 'ready\n' };
  return { status: 503, type: TEXT, body: `not ready: no usable backend for ${servicesDown.join(', ')}\n` };
}

function replyPage(sources: AdminSources): Reply {
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: renderStatusPage(sources.status()),
    headers: { 'Content-Security-Policy': STATUS_PAGE_CSP },
  };
}

function json(status: number, value: object): Reply {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').replace(/\?.*$/s, '');
}
