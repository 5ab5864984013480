import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Indicator } from '../../src/feeds/contract/indicator.ts';
import type { Taken } from '../../src/feeds/contract/intake.ts';
import {
  type GuardDutyListener,
  type GuardDutyOptions,
  startGuardDuty,
} from '../../src/feeds/guardduty/guardduty-listener.ts';
import type { FeedTally } from '../../src/observe/feed-tally.ts';
import type { LogEventName, LogEvents } from '../../src/observe/log-event.ts';
import { createFeedClock, type FakeFeedClock } from './feed-clock.ts';

export interface FeedAnswer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface FeedListenerRig extends AsyncDisposable {
  readonly listener: GuardDutyListener;
  readonly port: number;
  readonly clock: FakeFeedClock;
  /** What came through, a report each. */
  readonly taken: (readonly Indicator[])[];
  readonly events: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
  /** Counted so far: `request 200`, `addresses ignored`. */
  readonly counts: Map<string, number>;
  ask(options: RequestOptions, body?: string | Uint8Array): Promise<FeedAnswer>;
  /** Posts JSON to /api/. */
  post(body: unknown, options?: RequestOptions): Promise<FeedAnswer>;
  socket(): Socket;
}

/** A listener on a port of its own, whose intake takes everything unless `take` says otherwise. */
export async function startFeedListener(
  options: Partial<GuardDutyOptions> & { readonly take?: (found: readonly Indicator[]) => Promise<Taken> } = {},
): Promise<FeedListenerRig> {
  const { take = async (found) => ({ blocked: found.length, extended: 0, ignored: 0 }) } = options;
  const clock = createFeedClock();
  const taken: (readonly Indicator[])[] = [];
  const events: FeedListenerRig['events'] = [];
  const counts = new Map<string, number>();
  const count = (key: string, number = 1): unknown => counts.set(key, (counts.get(key) ?? 0) + number);
  const tally: FeedTally = {
    request: (_feed, code) => void count(`request ${code}`),
    addresses: (_feed, result, number) => void count(`addresses ${result}`, number),
    ignored: (_feed, reason, number) => void count(`ignored ${reason}`, number),
    smcUp() {},
    smcRequest() {},
    smcEntries() {},
  };
  const listener = await startGuardDuty({
    host: '127.0.0.1',
    port: 0,
    token: undefined,
    hmacKey: undefined,
    bodyLimitBytes: 1024 * 1024,
    ratePerSecond: 0,
    allowFrom: [],
    minSeverity: 0,
    tls: undefined,
    timeouts: { headMs: 60_000, bodyMs: 60_000 },
    maxConnections: 100,
    clock,
    tally,
    log: {
      log<E extends LogEventName>(event: E, fields: LogEvents[E]) {
        events.push({ event, fields: { ...fields } });
      },
    },
    ...options,
    intake: {
      async take(found) {
        const result = await take(found);
        taken.push(found);
        return result;
      },
    },
  });
  const port = Number(listener.address.split(':').at(-1));
  const ask: FeedListenerRig['ask'] = (how, body) =>
    answerOf(request({ port, host: '127.0.0.1', agent: false, ...how }), body);
  return {
    ...{ listener, port, clock, taken, events, counts, ask },
    post: (body, how = {}) =>
      ask(
        { method: 'POST', path: '/api/', ...how, headers: { 'content-type': 'application/json', ...how.headers } },
        body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body),
      ),
    socket: () => connect(port, '127.0.0.1').on('error', () => {}),
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

/** Sends a request to its end and reads the answer to its end. Rejects where there is none. */
export async function answerOf(sent: ClientRequest, body?: string | Uint8Array): Promise<FeedAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  sent.once('response', resolve);
  // A sender that is cut off while it writes may have its answer all the same.
  sent.on('error', reject);
  sent.end(body);
  const response = await promise;
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { code: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** All that a socket says until it is closed. */
export async function textOf(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.once('close', () => resolve(text));
  return await promise;
}
