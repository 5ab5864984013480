import { printable } from '../config/show.ts';
import type { SurveyCheck, SurveyReport } from './survey-report.ts';

const METHOD_WIDTH = 8;
const LABEL_WIDTH = 30;
const RESULT_WIDTH = 7;
const TIME_WIDTH = 9;

/** What stands above the checks. */
export const SURVEY_HEADING: string = rowOf('METHOD', 'CHECK', 'RESULT', 'TIME', 'WHAT THE SERVER DOES');

const NO_ICAP = 'note     not one answer in ICAP: is this an ICAP port? One that speaks TLS wants icaps://';

/** The result as it stands in the table. */
export function resultWord({ result }: Pick<SurveyCheck, 'result'>): string {
  return result === 'failed' ? 'FAILED' : result;
}

/** One line of the table, without colour; columns fit whatever other lines there are. */
export function checkLine(check: SurveyCheck): string {
  const time = check.ms === undefined ? '' : `${check.ms < 9.95 ? check.ms.toFixed(1) : Math.round(check.ms)} ms`;
  return printable(rowOf(check.method, check.label, resultWord(check), time, check.detail));
}

/** What it comes to. The first word of the last line is the one to look for. */
export function summaryLines({ checks, works, isComplete, tls }: SurveyReport): readonly string[] {
  const failures = checks.filter(({ result }) => result === 'failed').length;
  const isClean = checks.some(({ name, result }) => name === 'clean' && result === 'yes');
  const hasEicar = checks.some(({ name, result }) => name === 'eicar' && result === 'no');
  const isMute = checks.length > 0 && checks.every(({ icapStatus }) => icapStatus === undefined);
  const note = [
    ...(hasEicar ? ['note     EICAR passes: a DLP server may do that, a virus scanner must not'] : []),
    ...(isComplete && isMute && tls === undefined ? [NO_ICAP] : []),
  ];
  if (!isComplete) return [...note, `STOPPED  after ${checks.length} checks`];
  if (works) return [...note, `WORKS    ${checks.length} checks, none failed`];
  const why = failures > 0 ? `${failures} of ${checks.length} checks failed` : 'nothing there judges a document';
  return [...note, `${isClean ? 'FAULTY' : 'BROKEN'}   ${why}`];
}

function rowOf(method: string, label: string, result: string, time: string, detail: string): string {
  const columns = [method.padEnd(METHOD_WIDTH), label.padEnd(LABEL_WIDTH), result.padEnd(RESULT_WIDTH)];
  return [...columns, time.padStart(TIME_WIDTH), '', detail].join(' ').trimEnd();
}
