import type { ProcessDraft, ServiceDraft } from './draft.ts';
import type { Setting } from './place.ts';
import type { Report } from './report.ts';

/**
 * same: as stunnel does. better: the same file gives more than there. warned: accepted, without effect or with another
 * one, and said so. refused: an error, because going on without it would protect less or send data elsewhere.
 */
export type Verdict = 'same' | 'better' | 'warned' | 'refused';

interface OptionText {
  /** As stunnel's manual spells it. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** Whether several lines add up; otherwise the last one counts. */
  readonly repeats: boolean;
  /** How much a server-mode ICAP tunnel depends on it: A must be as there, B should be, C need not. */
  readonly rating: 'A' | 'B' | 'C';
  readonly verdict: Verdict;
  /** What may be written behind the `=`. */
  readonly values: string;
  /** What becomes of it here, as part of a sentence: it follows a colon in a message and stands alone in the matrix. */
  readonly note: string;
  /** What to write instead, as an imperative; empty where there is nothing to do. */
  readonly instead: string;
}

/** Reads the value of one line into the draft, or reports why it cannot. */
export type ApplyOption<Draft> = (setting: Setting, draft: Draft, report: Report) => void;

/** An option that only stands before the first section. */
export interface ProcessOption extends OptionText {
  readonly scope: 'global';
  /** Why a line in a section is refused, where stunnel has an option of the same name with another meaning there. */
  readonly inSection?: string;
  readonly apply: ApplyOption<ProcessDraft>;
}

/** An option of a section; before the first section it is the default of all. */
export interface ServiceOption extends OptionText {
  readonly scope: 'service';
  readonly apply: ApplyOption<ServiceDraft>;
}

/** One row of the option table: how an option is read and what the compatibility matrix says about it. */
export type StunnelOption = ProcessOption | ServiceOption;

/** The parts of a row that have a usual value. */
interface OptionalText {
  readonly aliases?: readonly string[];
  readonly repeats?: boolean;
  readonly instead?: string;
}

type Spec<Option extends StunnelOption> = Omit<Option, 'scope' | keyof OptionalText> & OptionalText;

const USUAL: Required<OptionalText> = { aliases: [], repeats: false, instead: '' };

/** A row for an option of the process. */
export function processOption(spec: Spec<ProcessOption>): ProcessOption {
  return { ...USUAL, ...spec, scope: 'global' };
}

/** A row for an option of a service. */
export function serviceOption(spec: Spec<ServiceOption>): ServiceOption {
  return { ...USUAL, ...spec, scope: 'service' };
}

/** The text of a row as one clause, for messages. */
export function explain(option: Pick<OptionText, 'note' | 'instead'>): string {
  return option.instead === '' ? option.note : `${option.note}; ${option.instead}`;
}
