import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AdminConfig, SocketAddress } from '../config/config.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import { type ApiRoute, findApiRoute, type Query } from './admin-api.ts';
import { readJsonBody } from './admin-body.ts';
import { AdminGuard } from './admin-guard.ts';
import { AdminPlaces } from './admin-places.ts';
import { type Reply, refusal, send, TEXT } from './admin-reply.ts';
import { bindAdmin } from './admin-socket.ts';
import { answerConnect } from './connect-request.ts';
import type { Logger } from './logger.ts';
import type { AdminSources } from './status.ts';
import { replyPage, STATUS_SCRIPT_REPLY, STATUS_STYLE_REPLY } from './status-reply.ts';

export interface AdminOptions extends Pick<AdminConfig, 'explicit'> {
  readonly listen: SocketAddress;
  /** Asked of everything but `/livez` and `/readyz`. */
  readonly token: string | undefined;
  readonly sources: AdminSources;
  readonly log: Logger;
}

export interface AdminServer extends AsyncDisposable {
  /** As really bound: `host:port` or `unix:/path`. */
  readonly address: string;
}

/** Programs send the token itself; browsers ask their user for it. */
const CHALLENGE = 'Bearer realm="icapgw", Basic realm="icapgw", charset="UTF-8"';
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

const OPEN_ROUTES: ReadonlyMap<string, Query> = new Map<string, Query>([
  ['/livez', () => ({ status: 200, type: TEXT, body: 'ok\n' })],
  ['/readyz', replyReadiness],
]);

const GUARDED_ROUTES: ReadonlyMap<string, Query> = new Map<string, Query>([
  ['/', replyPage],
  ['/status.css', () => STATUS_STYLE_REPLY],
  ['/status.js', () => STATUS_SCRIPT_REPLY],
  ['/metrics', async (sources) => ({ status: 200, type: PROMETHEUS, body: await sources.metricsText() })],
]);

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
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, options, guard, places)
      .catch((error: unknown) => {
        log.log('admin-request-failed', { path: pathOf(request), detail: messageOf(error) });
        return refusal(500, 'the answer could not be made; the log says why');
      })
      .then(
        (reply) => send(response, reply),
        () => response.destroy(),
      );
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: HEADERS_TIMEOUT_MS,
    },
    serve,
  );
  answerConnect(server, serve);
  const places = new AdminPlaces(server, MAX_CONNECTIONS);
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

async function answer(
  request: IncomingMessage,
  options: AdminOptions,
  guard: AdminGuard,
  places: AdminPlaces,
): Promise<Reply> {
  const { sources, log } = options;
  const path = pathOf(request);
  const client = request.socket.remoteAddress ?? 'unix';
  if (!guard.hasValidHost(request)) {
    log.log('admin-request-refused', { client, path, reason: 'host' });
    return refusal(421, 'this address does not serve the host named in the request');
  }
  const isOpen = OPEN_ROUTES.has(path);
  if (!isOpen && !guard.hasValidToken(request)) {
    log.log('admin-request-refused', { client, path, reason: 'token' });
    return refusal(401, 'a bearer token is needed: Authorization: Bearer TOKEN', { 'WWW-Authenticate': CHALLENGE });
  }
  const route = findRoute(path);
  if (route === undefined) return refusal(404, 'there is nothing here');
  const methods = route.method === 'GET' ? ['GET', 'HEAD'] : ['POST'];
  if (!methods.includes(request.method ?? '')) {
    return refusal(405, `only ${methods.join(' and ')}`, { Allow: methods.join(', ') });
  }
  if (!isOpen && !guard.isOwnIdea(request)) {
    log.log('admin-request-refused', { client, path, reason: 'origin' });
    return refusal(403, 'the request comes from a page of another site');
  }
  const { socket } = request;
  if (route.method === 'GET') return await places.work(socket, () => route.ask(sources));
  const body = await readJsonBody(request);
  return body.ok ? await places.work(socket, () => route.act(sources.control, body.value)) : body.reply;
}

function findRoute(path: string): ApiRoute | undefined {
  const ask = OPEN_ROUTES.get(path) ?? GUARDED_ROUTES.get(path);
  return ask === undefined ? findApiRoute(path) : { method: 'GET', ask };
}

function replyReadiness(sources: AdminSources): Reply {
  const { state, isListening, servicesDown, feedTrouble } = sources.readiness();
  if (state !== 'ready') return { status: 503, type: TEXT, body: `not ready: ${state}\n` };
  if (!isListening) return { status: 503, type: TEXT, body: 'not ready: no worker accepts connections\n' };
  if (feedTrouble !== undefined)
    return { status: 503, type: TEXT, body: `not ready: findings cannot be kept: ${feedTrouble}\n` };
  if (servicesDown.length === 0) return { status: 200, type: TEXT, body: 'ready\n' };
  return { status: 503, type: TEXT, body: `not ready: no usable backend for ${servicesDown.join(', ')}\n` };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').replace(/\?.*$/s, '');
}
