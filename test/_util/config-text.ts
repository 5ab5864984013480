import type { Config, ServiceConfig } from '../../src/config/config.ts';
import { validate } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';

/** The folder that the files of `readConfig` are relative to. */
export const CONFIG_FOLDER = '/etc/icapgw';

/** What a YAML text on a machine with four cores gives; problems as `LINE severity: message`. */
export interface ReadConfig {
  readonly config: Config | undefined;
  readonly problems: readonly string[];
}

export function readConfig(text: string): ReadConfig {
  const { document, problems: syntax } = readYaml(text, `${CONFIG_FOLDER}/icapgw.yaml`);
  const result =
    document === undefined ? { config: undefined, problems: [] } : validate(document, { cores: 4, cwd: '/root' });
  const problems = [...syntax, ...result.problems].map(
    ({ line, severity, message }) => `${line} ${severity}: ${message}`,
  );
  return { config: result.config, problems };
}

/** A service that has no problems. `extra` and `backend` are lines of YAML, `tls` is what stands behind `tls:`. */
export interface ServiceText {
  readonly protocol?: 'icap' | 'tunnel';
  readonly extra?: string;
  readonly backend?: string;
  readonly tls?: string;
}

/**
 * A document with one service, laid out so that tests can name lines: 1 services, 2 name, 3 listen, 4 protocol, 5 tls,
 * 6 backends, 7 the backend's address, then `backend` and `extra`.
 */
export function serviceText({ protocol = 'tunnel', extra = '', backend = '', tls = 'off' }: ServiceText = {}): string {
  return [
    'services:',
    '  - name: dlp',
    '    listen: 127.0.0.1:11344',
    `    protocol: ${protocol}`,
    `    tls: ${tls}`,
    '    backends:',
    '      - address: 10.0.0.5:1344',
    ...indent(backend, 8),
    ...indent(extra, 4),
    '',
  ].join('\n');
}

/** The problems of a document with one service. */
export function problemsOf(service: ServiceText): readonly string[] {
  return readConfig(serviceText(service)).problems;
}

/** The service of a document that must be usable. */
export function serviceOf(service: ServiceText): ServiceConfig {
  const { config, problems } = readConfig(serviceText(service));
  const [first] = config?.services ?? [];
  if (first === undefined) throw new Error(`not usable: ${problems.join('; ')}`);
  return first;
}

function indent(text: string, width: number): string[] {
  if (text === '') return [];
  return text.split('\n').map((line) => `${' '.repeat(width)}${line}`);
}
