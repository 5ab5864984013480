import { resolve } from 'node:path';
import { isMapping } from './collection.ts';
import type { Config, ConfigResult } from './config.ts';
import { deepFreeze } from './freeze.ts';
import { INVALID } from './kind.ts';
import type { Mapping } from './mapping.ts';
import type { RawDocument } from './raw.ts';
import { withRedirects } from './redirect.ts';
import { Report } from './report.ts';
import { checkSettings } from './rule/settings-rule.ts';
import { FLAT, looksFlat } from './schema/flat-schema.ts';
import { CONNECTOR_ROOT, ROOT, type Settings } from './schema/root-schema.ts';

/** What a configuration means depends on these two facts of the machine, and on nothing else. */
export interface Environment {
  /** What `workers: auto` becomes. */
  readonly cores: number;
  /** The working directory, absolute. */
  readonly cwd: string;
  /** What the document is for; left out: the gateway. `any` is for whoever only looks at it. */
  readonly role?: ConfigRole;
}

/** The gateway needs services and may have a feed; the connector is the feed alone, from our format or from its guide's. */
export type ConfigRole = 'gateway' | 'connector' | 'any';

/** Checks everything and reports every mistake. The settings can be used only when the report has no errors. */
export function readSettings(report: Report, role: ConfigRole = 'gateway'): Settings | undefined {
  const settings = schemaFor(report, role)?.read(report.document.value, report.root) ?? INVALID;
  if (settings === INVALID) return undefined;
  checkSettings(settings, report.root);
  if (role === 'connector' && settings.feeds === undefined) {
    report.root.at('feeds').error('is missing; the connector runs nothing else');
  }
  return report.hasErrors ? undefined : settings;
}

/** Undefined after a report. */
function schemaFor({ document, root }: Report, role: ConfigRole): Mapping<Settings> | undefined {
  const { value } = document;
  if (looksFlat(value)) {
    if (role !== 'gateway') return FLAT;
    root.at('smc_endpoint').error(`is of the connector's own file; run it with: icapgw connector -c ${document.file}`);
    return undefined;
  }
  const isFeedAlone = isMapping(value) && Object.hasOwn(value, 'feeds') && !Object.hasOwn(value, 'services');
  if (role === 'gateway' && isFeedAlone) {
    const alone = `icapgw connector -c ${document.file}`;
    root.at('services').error(`is missing; list at least one service, or run the feed alone with: ${alone}`);
  }
  return role === 'connector' || isFeedAlone ? CONNECTOR_ROOT : ROOT;
}

/** The only way from a document of either format to a configuration. Frozen all the way down. */
export function validate(document: RawDocument, environment: Environment): ConfigResult {
  const report = new Report(document, environment.cwd);
  const settings = readSettings(report, environment.role);
  if (settings === undefined) return { config: undefined, problems: report.problems };
  const config: Config = {
    ...settings,
    services: withRedirects(settings.services),
    file: resolve(environment.cwd, document.file),
    format: document.format,
    workers: settings.workers === 'auto' ? environment.cores : settings.workers,
  };
  return { config: deepFreeze(config), problems: report.problems };
}
