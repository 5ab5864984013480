import type { ProbeDocument } from './document.ts';
import type { OptionsReport } from './probe.ts';
import type { ModMethod, StatusAdvice } from './profile.ts';
import { optionsText, statusAdvice } from './report.ts';
import { type BenchOptions, SurveyBench } from './survey-bench.ts';
import { failed, istagFinding, no, yes } from './survey-finding.ts';
import { surveyMethod } from './survey-method.ts';
import type { Finding, SurveyReport } from './survey-report.ts';
import { authorityOf } from './target.ts';

export interface SurveyOptions extends BenchOptions {
  /** In the order in which they are tried. */
  readonly methods: readonly ModMethod[];
  /** What every virus scanner blocks. */
  readonly virus: ProbeDocument;
  /** Of the large body. */
  readonly largeBytes: number;
}

/** A path that nobody serves on purpose. */
const UNKNOWN_PATH = '/icapgw-probe-asks-for-no-such-service';

/**
 * Finds out what an ICAP server does and does not support. Throws UpstreamError where no connection can be made; an
 * abort of `cancel` ends it with what is known by then.
 */
export async function survey(options: SurveyOptions): Promise<SurveyReport> {
  const { target, cancel } = options;
  const bench = new SurveyBench(options);
  const services = new Map<string, OptionsReport>();
  const startMs = performance.now();
  const { tls } = await bench.connect();
  const connectMs = performance.now() - startMs;
  try {
    await run(bench, options, services);
  } catch (error) {
    if (!cancel.aborted) throw error;
  }
  const { checks } = bench;
  const isComplete = !cancel.aborted;
  return {
    works: isComplete && checks.some(({ name, result }) => name === 'clean' && result === 'yes') && !hasFailed(checks),
    isComplete,
    address: authorityOf(target),
    tls,
    connectMs,
    options: Object.fromEntries(services),
    checks,
  };
}

async function run(bench: SurveyBench, options: SurveyOptions, services: Map<string, OptionsReport>): Promise<void> {
  const { methods, virus, largeBytes } = options;
  const paths = [...new Set(methods.map((method) => pathOf(options, method)))];
  for (const path of paths) await surveyOptions(bench, path, services, options.profile.advice);
  for (const method of methods) {
    const path = pathOf(options, method);
    const service = services.get(path);
    const why = service === undefined ? undefined : whyNot(service, method);
    if (why !== undefined) {
      bench.note({ method, name: 'offered', label: 'the method', path }, no(why, service?.status), undefined);
      continue;
    }
    const previewBytes = service?.status === 200 ? service.previewBytes : undefined;
    const isAnswered = service !== undefined;
    const { advice } = options.profile;
    await surveyMethod(bench, { method, advice, path, previewBytes, virus, largeBytes, isAnswered });
  }
  await bench.check(
    { method: 'OPTIONS', name: 'unknown-path', label: 'refuses unknown paths', path: UNKNOWN_PATH },
    async (session) => {
      const { status, reason } = (await bench.ask(await session.connect(), UNKNOWN_PATH)).report;
      const text = `${status} ${reason}`.trim();
      return status >= 400 ? yes(text, status) : no(`${text}: a mistake in a path goes unseen`, status);
    },
  );
}

async function surveyOptions(
  bench: SurveyBench,
  path: string,
  services: Map<string, OptionsReport>,
  advice: StatusAdvice,
): Promise<void> {
  const subject = { method: 'OPTIONS', path } as const;
  let tag: Finding | undefined;
  await bench.check({ ...subject, name: 'options', label: `OPTIONS ${path}` }, async (session) => {
    const { reply, report } = await bench.ask(await session.connect(), path);
    services.set(path, report);
    if (report.status !== 200) {
      const text = `ICAP ${report.status} ${report.reason}: ${statusAdvice(report.status, advice)}`;
      return report.status === 404 ? no(text, 404) : failed(text, report.status);
    }
    tag = istagFinding(reply, report.istag);
    if (report.methods.length === 0) return failed(`${optionsText(report)}; names no methods`, 200);
    return yes(optionsText(report), 200);
  });
  if (tag !== undefined) bench.note({ ...subject, name: 'istag', label: 'ISTag' }, tag, undefined);
}

/** Why a method need not be tried; a service that says nothing useful about itself may still judge. */
function whyNot({ status, methods }: OptionsReport, method: ModMethod): string | undefined {
  if (status === 404) return 'there is no service at its path';
  return status === 200 && methods.length > 0 && !methods.includes(method) ? 'OPTIONS do not name it' : undefined;
}

function pathOf({ target, profile }: SurveyOptions, method: ModMethod): string {
  return target.path ?? profile.paths[method];
}

function hasFailed(checks: SurveyReport['checks']): boolean {
  return checks.some(({ result }) => result === 'failed');
}
