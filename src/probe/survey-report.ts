import type { TlsSummary } from './dial.ts';
import type { OptionsReport } from './probe.ts';
import type { ModMethod } from './profile.ts';

/** `no`: the server need not, and does not. `failed`: it breaks RFC 3507, says an error, or says nothing. */
export type SurveyResult = 'yes' | 'no' | 'failed';

/** Names for scripts; they do not change. */
export type CheckName =
  | 'options'
  | 'istag'
  | 'unknown-path'
  | 'offered'
  | 'clean'
  | 'no-204'
  | 'empty'
  | 'eicar'
  | 'preview'
  | 'preview-0'
  | 'preview-half'
  | 'preview-full'
  | 'preview-ieof'
  | 'large'
  | 'large-no-204'
  | 'keep-alive'
  | '204';

/** What one check found out. */
export interface Finding {
  readonly result: SurveyResult;
  /** For people. May hold what the server sent. */
  readonly detail: string;
  /** Of the answer; undefined where none came. */
  readonly icapStatus: number | undefined;
}

/** One line of the table. */
export interface SurveyCheck extends Finding {
  readonly method: 'OPTIONS' | ModMethod;
  readonly name: CheckName;
  /** What it is about, for people. */
  readonly label: string;
  readonly path: string;
  /** Undefined where nothing had to be sent to know. */
  readonly ms: number | undefined;
}

/** All that a survey found out. */
export interface SurveyReport {
  /** Whether a document can be judged there, and nothing failed. */
  readonly works: boolean;
  /** False where somebody ended it early. */
  readonly isComplete: boolean;
  readonly address: string;
  readonly tls: TlsSummary | undefined;
  readonly connectMs: number;
  /** By path; a path is missing where OPTIONS had no answer. */
  readonly options: Readonly<Record<string, OptionsReport>>;
  readonly checks: readonly SurveyCheck[];
}
