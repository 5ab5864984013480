import { styleText } from 'node:util';
import { printable } from '../config/show.ts';
import type { ModMethod } from '../probe/profile.ts';
import type { SurveyOptions } from '../probe/survey.ts';
import type { SurveyReport, SurveyResult } from '../probe/survey-report.ts';
import { type CliIo, hasColor } from './io.ts';

/** What `probe --all` needs that is the same for every probe. */
export type SurveyBasis = Omit<SurveyOptions, 'cancel' | 'onCheck' | 'methods'> & {
  /** Undefined: both, beginning with that of the profile. */
  readonly method: ModMethod | undefined;
  readonly json: boolean;
};

const COLORS: Readonly<Record<SurveyResult, 'green' | 'yellow' | 'red'>> = {
  yes: 'green',
  no: 'yellow',
  failed: 'red',
};

/**
 * Makes every check and prints each as soon as it is done; Ctrl-C ends it with what is known. Exit code 0: a document can
 * be judged there and nothing failed. Throws UpstreamError where no connection can be made.
 */
export async function runSurvey({ method, json, ...basis }: SurveyBasis, io: CliIo): Promise<void> {
  const { survey } = await import('../probe/survey.ts');
  const text = await import('../probe/survey-text.ts');
  const other: ModMethod = basis.profile.method === 'REQMOD' ? 'RESPMOD' : 'REQMOD';
  const methods = method === undefined ? [basis.profile.method, other] : [method];
  const paint = (result: SurveyResult, line: string, word: string): string =>
    hasColor(io.stdout, io.env) ? line.replace(word, styleText(COLORS[result], word, { validateStream: false })) : line;
  const stop = new AbortController();
  const interrupt = (): void => stop.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  let hasHeading = false;
  let report: SurveyReport;
  try {
    report = await survey({
      ...basis,
      methods,
      cancel: stop.signal,
      onCheck(check) {
        if (json) return;
        if (!hasHeading) io.stdout.write(`${text.SURVEY_HEADING}\n`);
        hasHeading = true;
        const word = ` ${text.resultWord(check)} `;
        io.stdout.write(`${paint(check.result, text.checkLine(check), word)}\n`);
      },
    });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    io.exit(1);
    return;
  } finally {
    process.off('SIGINT', interrupt);
  }
  if (json) io.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else await printSummary(report, io);
  io.exit(report.works ? 0 : 1);

  async function printSummary(of: SurveyReport, { stdout }: CliIo): Promise<void> {
    const { tlsText } = await import('../probe/report.ts');
    const connection = `${of.address}, ${tlsText(of.tls, Date.now())}, connected in ${Math.round(of.connectMs)} ms`;
    const lines = [printable(`server   ${connection}`), ...text.summaryLines(of)];
    const last = lines.pop() ?? '';
    const [word = ''] = last.split(' ');
    stdout.write(`\n${[...lines, paint(of.works ? 'yes' : 'failed', last, word)].join('\n')}\n`);
  }
}
