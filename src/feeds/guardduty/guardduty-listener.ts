import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { formatAddress } from '../../config/address.ts';
import type { FeedTlsConfig } from '../../config/feed-config.ts';
import { messageOf, RuntimeError } from '../../errors.ts';
import { AdminPlaces } from '../../observe/admin-places.ts';
import { answerConnect } from '../../observe/connect-request.ts';
import type { FeedTally } from '../../observe/feed-tally.ts';
import type { Logger } from '../../observe/logger.ts';
import { SourceList } from '../../policy/source-list.ts';
import type { KeyPair } from '../../tls/material.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { FeedSource } from '../contract/feed-source.ts';
import type { Intake } from '../contract/intake.ts';
import { type Answer, RUNNING, sendAndClose, sendAnswer } from './answer.ts';
import { BodyMemory } from './body-reader.ts';
import { Credential } from './credential.ts';
import { takeReport } from './finding-request.ts';
import { type Refusal, RefusalLog } from './refusal-log.ts';
import { RequestRate } from './request-rate.ts';

/** What a listener can be told anew while it listens. */
export interface GuardDutySettings {
  readonly token: string | undefined;
  readonly hmacKey: string | undefined;
  readonly bodyLimitBytes: number;
  /** 0: no limit. */
  readonly ratePerSecond: number;
  /** CIDRs; empty: anyone. */
  readonly allowFrom: readonly string[];
  readonly minSeverity: number;
  /** Undefined: it speaks in clear. Whether it does cannot change. */
  readonly tls: { readonly keyPair: KeyPair; readonly minVersion: FeedTlsConfig['minVersion'] } | undefined;
}

export interface GuardDutyOptions extends GuardDutySettings {
  readonly host: string;
  readonly port: number;
  readonly intake: Intake;
  readonly clock: FeedClock;
  readonly tally: FeedTally;
  readonly log: Pick<Logger, 'log'>;
  readonly timeouts: GuardDutyTimeouts;
  readonly maxConnections: number;
}

export interface GuardDutyTimeouts {
  readonly headMs: number;
  readonly bodyMs: number;
}

export const GUARD_DUTY_LIMITS: Pick<GuardDutyOptions, 'timeouts' | 'maxConnections'> = {
  timeouts: { headMs: 10_000, bodyMs: 30_000 },
  maxConnections: 1000,
};

export interface GuardDutyListener extends FeedSource {
  readonly address: string;
  /** For requests from here on. */
  configure(settings: GuardDutySettings): void;
}

const FEED = 'guardduty';
const PATHS: ReadonlySet<string> = new Set(['/', '/api', '/api/']);
const METHODS = 'GET, HEAD, POST';
/** Of bodies that are being read, beside the largest one. */
const MAX_BODY_MEMORY_BYTES = 64 * 1024 * 1024;
const MAX_HEAD_BYTES = 16 * 1024;
/** How late a deadline may be noticed. */
const CHECK_MS = 500;
/** How long requests under way may take at the end. */
const CLOSE_PATIENCE_MS = 5_000;

/** Listens for findings. Throws `ICAPGW_LISTEN` where the address cannot be used. Disposing lets requests under way finish. */
export async function startGuardDuty(options: GuardDutyOptions): Promise<GuardDutyListener> {
  const listener = new Listener(options);
  await listener.start();
  return listener;
}

class Listener implements GuardDutyListener {
  readonly name = FEED;
  address = '';
  readonly #options: GuardDutyOptions;
  readonly #server: Server;
  /** Behind TLS another socket makes a request than the one that was accepted: there the newcomer is turned away. */
  readonly #places: AdminPlaces | undefined;
  readonly #rate: RequestRate;
  readonly #refusals: RefusalLog;
  readonly #bodyMemory: BodyMemory = new BodyMemory(MAX_BODY_MEMORY_BYTES);
  #settings: GuardDutySettings;
  #credential: Credential;
  #sources: SourceList;

  constructor(options: GuardDutyOptions) {
    this.#options = options;
    this.#settings = options;
    this.#refusals = new RefusalLog({ feed: FEED, ...options });
    this.#rate = new RequestRate(options.ratePerSecond);
    this.#credential = new Credential(options);
    this.#sources = SourceList.from({ allow: options.allowFrom, deny: [] });
    this.#server = createHttpServer(options, (request, response) => this.#serve(request, response));
    const { tls, maxConnections } = options;
    if (tls !== undefined) this.#server.maxConnections = maxConnections;
    this.#places = tls === undefined ? new AdminPlaces(this.#server, maxConnections) : undefined;
    this.#admitFirst();
  }

  async start(): Promise<void> {
    const { host, port, log } = this.#options;
    const server = this.#server;
    try {
      server.listen({ host, port, exclusive: true });
      await once(server, 'listening');
    } catch (cause) {
      const detail = `feeds.guardduty ${formatAddress({ kind: 'tcp', host, port })}: ${messageOf(cause)}; choose another host or port`;
      throw new RuntimeError('ICAPGW_LISTEN', { detail, cause });
    }
    server.on('error', (error) => log.log('feed-request-failed', { feed: FEED, detail: messageOf(error) }));
    this.address = formatAddress({ kind: 'tcp', host, port: (server.address() as AddressInfo).port });
    log.log('feed-listening', { feed: FEED, address: this.address });
  }

  configure(settings: GuardDutySettings): void {
    const { tls } = settings;
    if (tls !== undefined && 'setSecureContext' in this.#server) {
      (this.#server as ReturnType<typeof createTlsServer>).setSecureContext(tlsOptions(tls));
    }
    this.#settings = settings;
    this.#rate.perSecond = settings.ratePerSecond;
    this.#credential = new Credential(settings);
    this.#sources = SourceList.from({ allow: settings.allowFrom, deny: [] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const patience = setTimeout(() => this.#server.closeAllConnections(), CLOSE_PATIENCE_MS);
    await promise;
    clearTimeout(patience);
    this.#refusals[Symbol.dispose]();
  }

  /** Who may not connect is closed before anything is read or said, a TLS handshake included. */
  #admitFirst(): void {
    const server = this.#server;
    const inner = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.#sources.admits(socket.remoteAddress)) {
        for (const listener of inner) listener.call(server, socket);
        return;
      }
      const refusal = { ...partyOf(socket), answer: undefined };
      socket.on('error', () => {});
      socket.destroy();
      this.#refusals.add(refusal);
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    // Who leaves in the middle ends the request, not the process.
    response.on('error', () => {});
    const answer = (): Promise<void> => this.#answer(request, response);
    const answered = this.#places === undefined ? answer() : this.#places.work(request.socket, answer);
    answered.catch((error: unknown) => {
      this.#options.log.log('feed-request-failed', { feed: FEED, detail: messageOf(error) });
      if (response.headersSent) response.destroy();
      else this.#close(request, response, { code: 500, text: 'the request could not be served; the log says why\n' });
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const retryAfter = this.#rate.take(performance.now());
    const refusal = retryAfter > 0 ? tooMany(retryAfter) : refuseTarget(request);
    if (refusal !== undefined) {
      this.#close(request, response, refusal);
      return;
    }
    if (request.method !== 'POST') {
      this.#tell(request, RUNNING);
      sendAnswer(response, RUNNING);
      return;
    }
    const { intake, tally, clock, timeouts } = this.#options;
    const { bodyLimitBytes, minSeverity } = this.#settings;
    const outcome = await takeReport(request, {
      feed: FEED,
      credential: this.#credential,
      ...{ bodyLimitBytes, minSeverity, intake, tally },
      bodyTimeoutMs: timeouts.bodyMs,
      bodyMemory: this.#bodyMemory,
      nowMs: () => clock.nowMs(),
      onBodyWanted: () => {
        if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
      },
    });
    if (outcome === undefined) return;
    if (!outcome.isRead) {
      this.#close(request, response, outcome.answer);
      return;
    }
    this.#tell(request, outcome.answer);
    sendAnswer(response, outcome.answer);
  }

  #close(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
    this.#tell(request, answer);
    // Without a body there is nothing that could be left unread.
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    if (hasBody) sendAndClose(request, response, answer);
    else sendAnswer(response, answer);
  }

  #tell({ socket }: IncomingMessage, { code, text, reason }: Answer): void {
    this.#options.tally.request(FEED, code);
    if (code < 400) return;
    this.#refusals.add({ ...partyOf(socket), answer: { code, reason: reason ?? text.trim() } });
  }
}

function createHttpServer(
  { tls, timeouts }: GuardDutyOptions,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const options: ServerOptions = {
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: timeouts.headMs,
    requestTimeout: timeouts.headMs + timeouts.bodyMs,
    connectionsCheckingInterval: CHECK_MS,
    keepAliveTimeout: timeouts.headMs,
  };
  const server =
    tls === undefined
      ? createServer(options, serve)
      : createTlsServer({ ...options, ...tlsOptions(tls), handshakeTimeout: timeouts.headMs }, serve);
  server.on('checkContinue', serve);
  answerConnect(server, serve);
  return server;
}

function tlsOptions({ keyPair, minVersion }: NonNullable<GuardDutySettings['tls']>): {
  cert: string;
  key: string;
  minVersion: FeedTlsConfig['minVersion'];
} {
  return { cert: keyPair.certChainPem, key: keyPair.keyPem, minVersion };
}

function tooMany(retryAfterSeconds: number): Answer {
  return { code: 429, text: 'too many requests\n', headers: { 'Retry-After': String(retryAfterSeconds) } };
}

function refuseTarget({ url = '', method = '' }: IncomingMessage): Answer | undefined {
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');
  // A CONNECT names an authority, and no path at all.
  if (method !== 'CONNECT' && !PATHS.has(path === '' ? '/' : path))
    return { code: 404, text: 'there is nothing here; post to /api/\n' };
  if (METHODS.split(', ').includes(method)) return undefined;
  return { code: 405, text: `only ${METHODS}\n`, headers: { Allow: METHODS } };
}

function partyOf({ remoteAddress: host = 'unknown', remotePort: port = 0 }: Socket): Omit<Refusal, 'answer'> {
  return { host, client: formatAddress({ kind: 'tcp', host, port }) };
}
