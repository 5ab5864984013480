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

/** Where the checks of one survey are made, each on a connection of its own so that none spoils the next one. */
export class SurveyBench {
  readonly #options: BenchOptions;
  readonly #checks: SurveyCheck[] = [];

  constructor(options: BenchOptions) {
    this.#options = options;
  }

  get checks(): readonly SurveyCheck[] {
    return this.#checks;
  }

  /** A session with a deadline that begins here. */
  open(): ProbeSession {
    const { target, tls, timeouts, cancel } = this.#options;
    return new ProbeSession(target, tls, timeouts, cancel);
  }

  /** Makes a check and keeps what it found. The error that ended it comes back; that of `cancel` is thrown. */
  async check(
    subject: CheckSubject,
    find: (session: ProbeSession) => Promise<Finding>,
  ): Promise<GatewayError | undefined> {
    const startMs = performance.now();
    try {
      using session = this.open();
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
