import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse } from 'yaml';
import { PROMETHEUS_FOLDER } from './deploy-prometheus.ts';

/** Whether Debian's prometheus is installed. */
export const hasPrometheus: boolean =
  process.env['CI'] !== undefined || spawnSync('prometheus', ['--version']).status === 0;

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A rule as a Prometheus has it. */
export interface LoadedRule {
  readonly name: string;
  /** `ok`, or `unknown` before its first evaluation. */
  readonly health: string;
  readonly lastError?: string;
  readonly alerts?: readonly {
    readonly state: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** A real Prometheus. Disposing ends it and deletes its data. */
export interface PrometheusServer extends AsyncDisposable {
  query(expr: string): Promise<readonly Sample[]>;
  rules(): Promise<readonly LoadedRule[]>;
}

export interface PrometheusOptions {
  /** `host:port` of admin endpoints. */
  readonly targets: readonly string[];
  readonly tokenFile: string;
}

/** The parts of deploy/prometheus/prometheus.yml that cannot stay as they are on a test's machine. */
interface ShippedConfig {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly [object];
}

/** Starts Prometheus with the configuration of deploy/prometheus, only faster and with these targets. */
export async function startPrometheus({ targets, tokenFile }: PrometheusOptions): Promise<PrometheusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-prometheus-'));
  const config = join(folder, 'prometheus.yml');
  writeFileSync(config, JSON.stringify(testConfig(targets, tokenFile)));
  const child = spawn(
    'prometheus',
    [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  // Nothing may outlive a test that ran out of time.
  process.once('exit', kill);
  const closed = once(child, 'close');
  const stop = async (): Promise<void> => {
    kill();
    await closed;
    process.off('exit', kill);
    rmSync(folder, { recursive: true, force: true });
  };
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  createInterface(child.stderr).on('line', (line) => {
    said = `${said}${line}\n`.slice(-4096);
    const address = /msg="Listening on" address=(\S+)/.exec(line)?.[1];
    if (address !== undefined) resolve(address);
  });
  closed.then(() => reject(new Error(`prometheus ended:\n${said}`)), reject);
  const address = await listening.catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://${address}/api/v1/${path}`);
    const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  };
  return {
    async query(expr) {
      const { result } = await get<QueryData>(`query?${new URLSearchParams({ query: expr })}`);
      return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
    },
    async rules() {
      const { groups } = await get<{ groups: readonly { readonly rules: readonly LoadedRule[] }[] }>('rules');
      return groups.flatMap(({ rules }) => rules);
    },
    [Symbol.asyncDispose]: stop,
  };
}

interface QueryData {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly value: readonly [time: number, value: string];
  }[];
}

function testConfig(targets: readonly string[], tokenFile: string): object {
  const shipped = parse(readFileSync(join(PROMETHEUS_FOLDER, 'prometheus.yml'), 'utf8')) as ShippedConfig;
  const [gateways] = shipped.scrape_configs;
  return {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: shipped.rule_files.map((file) => join(PROMETHEUS_FOLDER, file)),
    scrape_configs: [{ ...gateways, authorization: { credentials_file: tokenFile }, static_configs: [{ targets }] }],
  };
}
