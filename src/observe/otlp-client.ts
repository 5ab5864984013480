import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { messageOf } from '../errors.ts';

/** What a collector made of one batch. */
export type Delivery =
  | { readonly result: 'taken' /** Of the batch, how many it did not want. */; readonly rejectedCount: number }
  /** It is away or busy: the same batch may be sent again. */
  | { readonly result: 'later'; readonly detail: string }
  /** It will never take this batch. */
  | { readonly result: 'refused'; readonly detail: string };

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** OTLP 1, "Failures": these, and no others, are tried again. */
const BUSY: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Posts batches to one OTLP/HTTP collector over a connection that is kept. */
export class OtlpClient implements Disposable {
  readonly url: string;
  readonly #stop = new AbortController();
  readonly #agent: HttpAgent;
  readonly #isSecure: boolean;

  constructor(base: string) {
    this.url = `${base}/v1/traces`;
    this.#isSecure = base.startsWith('https:');
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = this.#isSecure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Never rejects. */
  post(body: string): Promise<Delivery> {
    return new Promise((resolve) => {
      const later = (error: unknown): void => resolve({ result: 'later', detail: messageOf(error) });
      const start = this.#isSecure ? httpsRequest : httpRequest;
      const request = start(this.url, {
        method: 'POST',
        agent: this.#agent,
        headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      request.on('error', later);
      request.on('response', (response) => {
        response.on('error', later);
        readAnswer(response).then((text) => resolve(deliveryOf(response.statusCode ?? 0, text)), later);
      });
      request.end(body);
    });
  }

  /** Ends a request that is under way. */
  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#agent.destroy();
  }
}

/** As much as may matter; the rest is read and forgotten, so that the connection can be kept. */
async function readAnswer(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (size < MAX_ANSWER_BYTES) pieces.push(piece);
    size += piece.length;
  }
  return Buffer.concat(pieces).toString('utf8');
}

function deliveryOf(status: number, text: string): Delivery {
  if (status >= 200 && status < 300) return { result: 'taken', rejectedCount: rejectedCountOf(text) };
  return { result: BUSY.has(status) ? 'later' : 'refused', detail: `it answered ${status}` };
}

/** A collector may take a batch in part: `{ "partialSuccess": { "rejectedSpans": "3" } }`. */
function rejectedCountOf(text: string): number {
  try {
    const answer = JSON.parse(text) as { readonly partialSuccess?: { readonly rejectedSpans?: unknown } } | null;
    const count = Number(answer?.partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    // It may also answer in protocol buffers, or with nothing.
    return 0;
  }
}
