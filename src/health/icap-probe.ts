import { deepCheck } from './deep-check.ts';
import { askOptions, type OptionsAnswer } from './options-exchange.ts';
import { type IcapExpectation, isProblem, type Problem } from './probe.ts';
import type { Talk } from './visit.ts';

/** Asks for OPTIONS and, where that is wanted, has content judged. */
export async function icapProbe(talk: Talk, expected: IcapExpectation): Promise<Problem | undefined> {
  const { authority, path, deep, onOptions } = expected;
  let offered: readonly string[] = [];
  const problem = await talk(async (stream) => {
    const answer = await askOptions(stream, authority, path ?? '/');
    if (isProblem(answer)) return answer;
    if (answer.options !== undefined) {
      offered = answer.options.methods;
      onOptions(answer.options);
    }
    return judge(answer, expected);
  });
  if (problem !== undefined || deep === undefined) return problem;
  const takesResponsesOnly = offered.includes('RESPMOD') && !offered.includes('REQMOD');
  const method = deep.method ?? (takesResponsesOnly ? 'RESPMOD' : 'REQMOD');
  return await deepCheck(talk, { authority, path: deep.path, method });
}

function judge(answer: OptionsAnswer, { path, methods }: IcapExpectation): Problem | undefined {
  if (path === undefined) return undefined;
  const { status, statusLine, options } = answer;
  if (status < 200 || status >= 300) {
    return { reason: 'status', detail: `answered '${statusLine}' to OPTIONS ${path}` };
  }
  if (options === undefined) return { reason: 'protocol', detail: `answered OPTIONS ${path} with malformed fields` };
  const missing = methods.filter((method) => !options.methods.includes(method));
  if (missing.length === 0) return undefined;
  return {
    reason: 'status',
    detail: `its OPTIONS ${path} does not list ${missing.join(' and ')}, which a route needs`,
  };
}
