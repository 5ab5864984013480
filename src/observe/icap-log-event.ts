import type { FailPolicy } from '../config/icap-config.ts';
import type { RequestBlockLevel, RetryReason } from './labels.ts';

/** By what the lines of one transaction are found. */
export interface TransactionNames {
  /** `17-3`: the third request of connection 17. */
  readonly transaction: string;
  /** What the header of `headers.correlation` holds. */
  readonly correlation?: string | undefined;
}

/** What is told of ICAP transactions; the same rules as for the other events. */
export interface IcapLogEvents {
  /**
   * The gateway answered a request itself because it could not be understood or may not be sent on. Without a transaction
   * where not even its head could be read.
   */
  readonly 'icap-request-refused': Partial<TransactionNames> & {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly status: number;
    /** Of the error that says why. */
    readonly code: string;
    readonly detail: string;
  };
  readonly 'icap-attempt-failed': TransactionNames & {
    readonly service: string;
    readonly connection: number;
    readonly backend: string;
    readonly address: string;
    readonly method: string;
    readonly path: string;
    readonly reason: RetryReason;
    readonly detail: string;
    /** Whether the request is sent once more. */
    readonly next: boolean;
  };
  /** No server could judge, and the configured policy answered. */
  readonly 'icap-policy': TransactionNames & {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly method: string;
    readonly path: string;
    readonly policy: FailPolicy;
    /** Why, as the end of a sentence. */
    readonly cause: string;
  };
  /** An address in the request is blocked: no backend saw it, and the client has a page. */
  readonly 'icap-request-blocked': TransactionNames & {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly found: RequestBlockLevel;
    readonly address: string;
    readonly threat: string;
  };
  /** The server broke off inside an answer whose beginning the client had already. */
  readonly 'icap-answer-aborted': TransactionNames & {
    readonly service: string;
    readonly connection: number;
    readonly backend: string;
    readonly address: string;
    readonly detail: string;
  };
  /** A client asked for a path that nobody will ask the backends about: too many were learnt before. */
  readonly 'icap-path-ignored': { readonly service: string; readonly path: string };
}
