import { resolve } from 'node:path';
import type { Config, ConfigResult } from './config.ts';
import { deepFreeze } from './freeze.ts';
import { INVALID } from './kind.ts';
import type { RawDocument } from './raw.ts';
import { Report } from './report.ts';
import { checkSettings } from './rule/settings-rule.ts';
import { ROOT, type Settings } from './schema/root-schema.ts';

/** What a configuration means depends on these two facts of the machine, and on nothing else. */
export interface Environment {
  /** What `workers: auto` becomes. */
  readonly cores: number;
  /** The working directory, absolute. */
  readonly cwd: string;
}

/** Checks everything and reports every mistake. The settings can be used only when the report has no errors. */
export function readSettings(report: Report): Settings | undefined {
  const settings = ROOT.read(report.document.value, report.root);
  if (settings === INVALID) return undefined;
  checkSettings(settings, report.root);
  return report.hasErrors ? undefined : settings;
}

/** The only way from a document of either format to a configuration. Frozen all the way down. */
export function validate(document: RawDocument, environment: Environment): ConfigResult {
  const report = new Report(document, environment.cwd);
  const settings = readSettings(report);
  if (settings === undefined) return { config: undefined, problems: report.problems };
  const config: Config = {
    ...settings,
    file: resolve(environment.cwd, document.file),
    format: document.format,
    workers: settings.workers === 'auto' ? environment.cores : settings.workers,
  };
  return { config: deepFreeze(config), problems: report.problems };
}
