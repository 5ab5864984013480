import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { messageOf } from '../../errors.ts';
import type { FeedTally, SmcOperation } from '../../observe/feed-tally.ts';
import type { PeerTrust } from '../peer-trust.ts';
import { SmcError } from './smc-error.ts';

export interface SmcRequest {
  readonly operation: SmcOperation;
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path and query, to the configured endpoint and nowhere else. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the whole answer is there. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface SmcReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface SmcClientOptions {
  /** Scheme, host and port. */
  readonly endpoint: string;
  readonly trust: PeerTrust;
  readonly tally: Pick<FeedTally, 'smcRequest'>;
}

/** What an SMC with thousands of engines, or one engine with all its settings, stays below. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Sends requests to one SMC, one at a time, over a connection that is kept until this is disposed. */
export class SmcClient implements Disposable {
  readonly #endpoint: URL;
  readonly #agent: HttpAgent;
  readonly #tally: SmcClientOptions['tally'];

  constructor({ endpoint, trust, tally }: SmcClientOptions) {
    this.#endpoint = new URL(endpoint);
    this.#tally = tally;
    const options = { keepAlive: true, maxSockets: 1 };
    const isSecure = this.#endpoint.protocol === 'https:';
    this.#agent = isSecure ? new HttpsAgent({ ...options, ...trust, maxCachedSessions: 0 }) : new HttpAgent(options);
  }

  /** The answer, whatever its status. Throws SmcError (`wait`) where none comes that can be read. */
  async send(request: SmcRequest): Promise<SmcReply> {
    const { operation } = request;
    try {
      const reply = await this.#exchange(request);
      this.#tally.smcRequest(operation, reply.status);
      return reply;
    } catch (cause) {
      this.#tally.smcRequest(operation, 'error');
      throw new SmcError({ remedy: 'wait', detail: `${operation}: ${describe(cause, request.timeoutMs)}`, cause });
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #exchange({ method, path, body, headers, timeoutMs, signal }: SmcRequest): Promise<SmcReply> {
    const { protocol, hostname, port } = this.#endpoint;
    const deadline = AbortSignal.timeout(timeoutMs);
    return new Promise((resolve, reject) => {
      const start = protocol === 'https:' ? httpsRequest : httpRequest;
      const request = start({
        // A bracketed IPv6 address is how a URL has it, not how a socket takes it.
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        path,
        method,
        agent: this.#agent,
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        headers: {
          Accept: 'application/json',
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
          ...(method !== 'GET' && { 'Content-Length': Buffer.byteLength(body ?? '') }),
          ...headers,
        },
      });
      request.on('error', reject);
      request.on('response', (response) => {
        readAnswer(response).then((text) => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
        }, reject);
      });
      request.end(body);
    });
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`it answered with more than ${MAX_ANSWER_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function describe(cause: unknown, timeoutMs: number): string {
  if (cause instanceof Error && cause.name === 'TimeoutError') return timedOut(timeoutMs);
  // An aborted request names the reason as the cause of its error.
  const reason = cause instanceof Error ? cause.cause : undefined;
  if (reason instanceof Error && reason.name === 'TimeoutError') return timedOut(timeoutMs);
  return messageOf(cause);
}

function timedOut(timeoutMs: number): string {
  return `it did not answer within ${timeoutMs} ms`;
}
