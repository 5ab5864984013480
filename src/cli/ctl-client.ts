import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { messageOf } from '../errors.ts';
import type { CtlTarget } from './ctl-target.ts';

export interface CtlRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
}

/** The gateway could not be asked, or refused; the message is for people and says what to do. */
export class CtlError extends Error {
  /** What the gateway found wrong, one by one. */
  readonly problems: readonly string[];

  constructor(message: string, problems: readonly string[] = []) {
    super(message);
    this.name = 'CtlError';
    this.problems = problems;
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A reload looks at files and names and asks every worker: it may take its time. */
const TIMEOUT_MS = 30_000;

/** Asks the admin endpoint and returns the JSON it answers. Throws `CtlError`. */
export async function askGateway(target: CtlTarget, asked: CtlRequest): Promise<unknown> {
  const { status, body } = await send(target, asked);
  if (status === 200) return JSON.parse(body);
  const { error, problems } = errorOf(body);
  if (status === 401) {
    const advice = target.tokenFile === undefined ? 'say --token-file FILE' : `${target.tokenFile} does not hold it`;
    throw new CtlError(`the gateway at ${target.text} wants the token that its admin.token-file holds: ${advice}`);
  }
  if (error === undefined) throw new CtlError(`what answers at ${target.text} is no icapgw (status ${status})`);
  throw new CtlError(error, problems);
}

async function send(target: CtlTarget, { method, path, body }: CtlRequest): Promise<Answer> {
  const token = target.tokenFile === undefined ? undefined : await readToken(target.tokenFile);
  const content = body === undefined ? '' : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const call = request({
    ...target.address,
    ...{ method, path, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) },
    headers: {
      // Behind a socket there is no host, and a name would have to be one that the endpoint knows.
      Host: 'localhost',
      'Content-Length': Buffer.byteLength(content),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    },
  });
  call.on('response', (response) => {
    text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
  });
  call.on('error', reject);
  call.end(content);
  try {
    return await promise;
  } catch (error) {
    throw new CtlError(unreachable(target, error));
  }
}

function unreachable({ text: place }: CtlTarget, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const advice = 'say where its admin.listen is with --admin ADDRESS or ICAPGW_ADMIN';
  switch (code) {
    case 'ECONNREFUSED':
      return `nobody listens at ${place}: is icapgw running? If it is, ${advice}`;
    case 'ENOENT':
      return `there is no socket at ${place}: is icapgw running? If it is, ${advice}`;
    case 'EACCES':
      return `this account may not open ${place}: its socket is for the account that icapgw runs as`;
    case 'ABORT_ERR':
      return `the gateway at ${place} did not answer within ${TIMEOUT_MS / 1000} s`;
    default:
      return `the gateway at ${place} cannot be asked: ${messageOf(error)}; ${advice}`;
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new CtlError(`the token file cannot be read: ${messageOf(error)}`);
  }
}

function errorOf(body: string): { readonly error?: string; readonly problems: readonly string[] } {
  try {
    const { error, problems = [] } = JSON.parse(body) as { error?: unknown; problems?: readonly unknown[] };
    return { ...(typeof error === 'string' && { error }), problems: problems.map(String) };
  } catch {
    return { problems: [] };
  }
}
