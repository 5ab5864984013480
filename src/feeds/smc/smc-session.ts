import type { SmcOperation } from '../../observe/feed-tally.ts';
import { chooseApiVersion } from './api-version.ts';
import { refusalOf } from './refusal.ts';
import {
  blockListPathOf,
  type EngineRef,
  type EntryPoints,
  engineListPath,
  enginesOf,
  entryPointsOf,
  offeredVersions,
  UnreadableAnswer,
} from './smc-answer.ts';
import type { SmcClient, SmcReply, SmcRequest } from './smc-client.ts';
import { SmcError } from './smc-error.ts';

export interface SmcSessionOptions {
  /** Not owned. */
  readonly client: SmcClient;
  readonly apiKey: string;
  /** The version to speak if it is offered. */
  readonly apiVersion: string;
  readonly domain: string | undefined;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** Cuts what is under way, but not the farewell. */
  readonly signal: AbortSignal;
}

interface Credential {
  readonly name: 'Cookie' | 'Authorization';
  readonly value: string;
}

type Step = Omit<SmcRequest, 'timeoutMs' | 'signal' | 'headers'>;

const LOGOUT_MS = 5000;
const SESSION_COOKIE = /^\s*JSESSIONID=([^;\s]+)/;
const ADDED: readonly number[] = [200, 201, 202, 204];

/** From login to logout. Sessions at an SMC are few: whoever opened one closes it, whatever happened in between. */
export class SmcSession implements AsyncDisposable {
  readonly version: string;
  readonly #options: SmcSessionOptions;
  #credential: Credential | undefined;
  #points: EntryPoints | undefined;

  private constructor(version: string, options: SmcSessionOptions) {
    this.version = version;
    this.#options = options;
  }

  /** Agrees on a version and logs in. Throws SmcError; nothing is left open then. */
  static async open(options: SmcSessionOptions): Promise<SmcSession> {
    const { client, apiVersion, timeoutMs, signal, nowMs } = options;
    const reply = await client.send({ operation: 'versions', method: 'GET', path: '/api', timeoutMs, signal });
    if (reply.status !== 200) throw refusalOf('versions', reply, nowMs(), []);
    const version = read('versions', reply, (body) => chooseApiVersion(apiVersion, offeredVersions(body)));
    const session = new SmcSession(version ?? apiVersion, options);
    await session.#login();
    try {
      const answer = await session.#ask({ operation: 'entry-points', method: 'GET', path: `/${session.version}/api` });
      session.#points = read('entry-points', answer, entryPointsOf);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
    return session;
  }

  async engines(): Promise<readonly EngineRef[]> {
    const path = engineListPath(this.#points?.elements ?? `/${this.version}/elements`);
    return read('engines', await this.#ask({ operation: 'engines', method: 'GET', path }), enginesOf);
  }

  /** Where the entries of an engine go; undefined where it can hold none. */
  async blockListPath({ path }: EngineRef): Promise<string | undefined> {
    return read('engine', await this.#ask({ operation: 'engine', method: 'GET', path }), blockListPathOf);
  }

  /** Resolves when the SMC has taken them. */
  async add(path: string, body: string): Promise<void> {
    await this.#ask({ operation: 'add', method: 'POST', path, body }, ADDED);
  }

  /** Logs out. Never rejects: a session that cannot be ended ends by itself after a while. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { client, timeoutMs } = this.#options;
    if (this.#credential === undefined) return;
    const headers = this.#headers();
    this.#credential = undefined;
    const path = this.#points?.logout ?? `/${this.version}/logout`;
    await client
      .send({ operation: 'logout', method: 'PUT', path, headers, timeoutMs: Math.min(timeoutMs, LOGOUT_MS) })
      .catch(() => {});
  }

  async #login(): Promise<void> {
    const { apiKey, domain } = this.#options;
    const body = JSON.stringify({ authenticationkey: apiKey, ...(domain !== undefined && { domain }) });
    this.#credential = undefined;
    const reply = await this.#send({ operation: 'login', method: 'POST', path: `/${this.version}/login`, body });
    if (reply.status !== 200) throw this.#refusal('login', reply);
    this.#credential = credentialOf(reply);
    if (this.#credential === undefined) throw unreadable('login', 'it gave neither a session cookie nor a token');
  }

  /** Sessions end at the SMC too, when it restarts or finds them too old: then once more, with a new one. */
  async #ask(step: Step, wanted: readonly number[] = [200]): Promise<SmcReply> {
    let reply = await this.#send(step);
    if (reply.status === 401) {
      await this.#login();
      reply = await this.#send(step);
    }
    if (!wanted.includes(reply.status)) throw this.#refusal(step.operation, reply);
    return reply;
  }

  #send(step: Step): Promise<SmcReply> {
    const { client, timeoutMs, signal } = this.#options;
    return client.send({ ...step, timeoutMs, signal, headers: this.#headers() });
  }

  #headers(): Record<string, string> {
    return this.#credential === undefined ? {} : { [this.#credential.name]: this.#credential.value };
  }

  #refusal(operation: SmcOperation, reply: SmcReply): SmcError {
    const secrets = [this.#options.apiKey, ...(this.#credential?.value.split(/[=\s]/) ?? [])];
    return refusalOf(operation, reply, this.#options.nowMs(), secrets);
  }
}

/** The cookie, or where the SMC keeps the session out of cookies, the token that it wants to see again. */
function credentialOf({ headers }: SmcReply): Credential | undefined {
  for (const line of headers['set-cookie'] ?? []) {
    const value = SESSION_COOKIE.exec(line)?.[1];
    if (value !== undefined) return { name: 'Cookie', value: `JSESSIONID=${value}` };
  }
  const { authorization } = headers;
  return authorization === undefined ? undefined : { name: 'Authorization', value: authorization };
}

function read<T>(operation: SmcOperation, { body }: SmcReply, reader: (body: string) => T): T {
  try {
    return reader(body);
  } catch (error) {
    if (error instanceof UnreadableAnswer) throw unreadable(operation, error.message);
    throw error;
  }
}

function unreadable(operation: SmcOperation, what: string): SmcError {
  return new SmcError({ remedy: 'wait', detail: `${operation}: the answer cannot be read: ${what}` });
}
