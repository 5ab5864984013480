import { GatewayError } from '../errors.ts';
import { parseServiceOptions } from '../icap/service-options.ts';
import type { ProbeTls } from './dial.ts';
import type { ProbeDocument } from './document.ts';
import { askOptions, type ModResult, modify, type Trace } from './exchange.ts';
import type { OptionsReport } from './probe.ts';
import type { ModMethod } from './profile.ts';
import type { Reply } from './reply.ts';
import { type RequestWords, requestFields } from './request-fields.ts';
import { ProbeSession, type ProbeTimeouts, type SessionConnection } from './session.ts';
import { failed } from './survey-finding.ts';
import type { CheckName, Finding, SurveyCheck } from './survey-report.ts';
import { uriOf } from './target.ts';

export interface BenchOptions extends Omit<RequestWords, 'allow204'> {
  readonly tls: ProbeTls;
  /** For each check by itself. */
  readonly timeouts: ProbeTimeouts;
  readonly trace: Trace;
  /** Ends the survey. */
  readonly cancel: AbortSignal;
  /** Told of each check as soon as it is done. */
  readonly onCheck: (check: SurveyCheck) => void;
}

/** What a check is about. */
export interface CheckSubject {
  readonly method: SurveyCheck['method'];
  readonly name: CheckName;
  readonly label: string;
  readonly path: string;
}

/** One document and how to send it. */
export interface Trial {
  readonly method: ModMethod;
  readonly path: string;
  readonly document: ProbeDocument;
  readonly allow204: boolean;
  /** Undefined: without a preview. */
  readonly previewBytes: number | undefined;
}

/** The answer to OPTIONS, and what it says. */
export interface OptionsAnswer {
  readonly reply: Reply;
  readonly report: OptionsReport;
}

interface OpenSession {
  readonly session: ProbeSession;
  readonly startMs: number;
}

/** Where the checks of one survey are made, each on a connection of its own so that none spoils the next one. */
export class SurveyBench {
  readonly #options: BenchOptions;
  readonly #checks: SurveyCheck[] = [];
  #first: OpenSession | undefined;

  constructor(options: BenchOptions) {
    this.#options = options;
  }

  get checks(): readonly SurveyCheck[] {
    return this.#checks;
  }

  /** Opens the connection of the first check. Throws UpstreamError where none can be made. */
  async connect(): Promise<SessionConnection> {
    const first = this.#open();
    try {
      const connection = await first.session.connect();
      this.#first = first;
      return connection;
    } catch (error) {
      first.session[Symbol.dispose]();
      throw error;
    }
  }

  /** A session with a deadline that begins here. */
  #open(): OpenSession {
    const { target, tls, timeouts, cancel } = this.#options;
    return { session: new ProbeSession(target, tls, timeouts, cancel), startMs: performance.now() };
  }

  /** Makes a check and keeps what it found. The error that ended it comes back; that of `cancel` is thrown. */
  async check(
    subject: CheckSubject,
    find: (session: ProbeSession) => Promise<Finding>,
  ): Promise<GatewayError | undefined> {
    const { session: opened, startMs } = this.#first ?? this.#open();
    this.#first = undefined;
    try {
      using session = opened;
      const finding = await find(session);
      this.note(subject, finding, performance.now() - startMs);
      return undefined;
    } catch (error) {
      this.#options.cancel.throwIfAborted();
      if (!(error instanceof GatewayError)) throw error;
      this.note(subject, failed(error.message, undefined), performance.now() - startMs);
      return error;
    }
  }

  /** Keeps what is known without a check of its own. */
  note(subject: CheckSubject, { result, detail, icapStatus }: Finding, ms: number | undefined): void {
    const { method, name, label, path } = subject;
    const check: SurveyCheck = { method, name, label, path, result, detail, icapStatus, ms };
    this.#checks.push(check);
    this.#options.onCheck(check);
  }

  async ask(connection: SessionConnection, path: string): Promise<OptionsAnswer> {
    const { target, trace } = this.#options;
    const fields = requestFields({ ...this.#options, allow204: true }, connection.socket);
    const reply = await askOptions(connection.client, uriOf(target, path), fields, trace);
    const { status, reason } = reply.head;
    return { reply, report: { ...parseServiceOptions(reply.head.fields), status, reason } };
  }

  async send({ client, socket }: SessionConnection, trial: Trial): Promise<ModResult> {
    const { target, trace } = this.#options;
    const { method, path, document, allow204, previewBytes } = trial;
    const fields = requestFields({ ...this.#options, allow204 }, socket);
    return await modify(client, { method, uri: uriOf(target, path), fields, document, previewBytes }, trace);
  }
}
