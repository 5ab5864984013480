import type { IncomingMessage } from 'node:http';
import type { FeedTally } from '../../observe/feed-tally.ts';
import { FeedUnavailableError } from '../contract/feed-unavailable.ts';
import type { Intake } from '../contract/intake.ts';
import type { Answer } from './answer.ts';
import { type BodyMemory, readBody } from './body-reader.ts';
import type { Credential, CredentialVerdict } from './credential.ts';
import { FindingError, readReport } from './finding.ts';

/** What a posted report is held against. */
export interface FindingRequestOptions {
  readonly feed: string;
  readonly credential: Credential;
  readonly bodyLimitBytes: number;
  readonly bodyTimeoutMs: number;
  /** Of the listener, for the bodies of all requests. */
  readonly bodyMemory: BodyMemory;
  readonly minSeverity: number;
  readonly intake: Intake;
  readonly tally: FeedTally;
  readonly nowMs: () => number;
  /** Tells a sender that waits for it that its body is wanted. */
  readonly onBodyWanted: () => void;
}

/** An answer, and whether the whole body was read before it. Undefined: the sender has left. */
export type Outcome = { readonly answer: Answer; readonly isRead: boolean } | undefined;

const NO_ROOM: Answer = {
  code: 503,
  text: 'too much is being sent at once; try again\n',
  headers: { 'Retry-After': '5' },
};

/** Takes one posted report: who sends it, what it is, what becomes of it. Queues nothing where it refuses. */
export async function takeReport(request: IncomingMessage, options: FindingRequestOptions): Promise<Outcome> {
  const { headers } = request;
  const head = options.credential.judgeHead(headers, queryOf(request), options.nowMs());
  const refused = credentialAnswer(head) ?? formAnswer(request);
  if (refused !== undefined) return { answer: refused, isRead: false };
  const { bodyLimitBytes: maxBytes, bodyTimeoutMs: timeoutMs, bodyMemory: memory } = options;
  if (Number(headers['content-length'] ?? 0) <= maxBytes) options.onBodyWanted();
  const reading = await readBody(request, { maxBytes, timeoutMs, memory });
  if (reading.kind === 'gone') return undefined;
  if (reading.kind === 'too-large') {
    return { answer: { code: 413, text: `the body is larger than ${maxBytes} bytes\n` }, isRead: false };
  }
  if (reading.kind === 'no-room') return { answer: NO_ROOM, isRead: false };
  if (reading.kind !== 'read') return { answer: { code: 408, text: 'the body took too long\n' }, isRead: false };
  const signed = credentialAnswer(options.credential.judgeBody(headers, reading.bytes));
  return { answer: signed ?? (await take(reading.bytes, options)), isRead: true };
}

async function take(bytes: Buffer, options: FindingRequestOptions): Promise<Answer> {
  const { feed, intake, tally, minSeverity } = options;
  try {
    const { found, archived, belowSeverity } = readReport(decode(bytes), minSeverity);
    const { blocked, extended, ignored } = await intake.take(found);
    tally.ignored(feed, 'archived', archived);
    tally.ignored(feed, 'severity', belowSeverity);
    tally.addresses(feed, 'ignored', archived + belowSeverity);
    const result = `blocked=${blocked}, extended=${extended}, ignored=${ignored + archived + belowSeverity}`;
    return { code: 200, text: 'Success!', headers: { 'X-Icapgw-Result': result } };
  } catch (error) {
    if (error instanceof FindingError) return { code: 400, text: `${error.message}\n`, reason: error.message };
    if (!(error instanceof FeedUnavailableError)) throw error;
    return {
      code: 503,
      text: 'the finding cannot be kept at the moment; try again\n',
      headers: { 'Retry-After': String(error.retryAfterSeconds) },
      reason: error.message,
    };
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): unknown {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw new FindingError('the body is not UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new FindingError('the body is not JSON');
  }
}

/** What is wrong with the form of a body, as its head announces it. */
function formAnswer({ headers }: IncomingMessage): Answer | undefined {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  if (!/^application\/json[ \t]*(?:;|$)/i.test(type)) {
    return { code: 400, text: 'the body must be JSON: say Content-Type: application/json\n', reason: 'not JSON' };
  }
  if (encoding.toLowerCase() !== 'identity') {
    return { code: 400, text: 'the body must not be encoded\n', reason: 'a Content-Encoding' };
  }
  return undefined;
}

function credentialAnswer(verdict: CredentialVerdict): Answer | undefined {
  if (verdict === 'right') return undefined;
  if (verdict === 'missing') return { code: 403, text: 'a credential is needed\n', reason: 'no credential' };
  return {
    code: 401,
    text: 'the credential is wrong or too old\n',
    headers: { 'WWW-Authenticate': 'Bearer realm="icapgw"' },
    reason: 'a wrong credential or an old signature',
  };
}

function queryOf({ url = '' }: IncomingMessage): string {
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start + 1).replace(/#.*$/s, '');
}
