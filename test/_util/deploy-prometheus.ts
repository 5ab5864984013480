import { execFile, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';

export const PROMETHEUS_FOLDER: string = join(import.meta.dirname, '../../deploy/prometheus');

/** Whether Debian's prometheus is installed, which brings it. */
export const hasPromtool: boolean =
  process.env['CI'] !== undefined || spawnSync('promtool', ['--version']).status === 0;

const run = promisify(execFile);

/** Runs promtool in `deploy/prometheus`; rejects with what it said where it finds a fault. */
export async function promtool(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('promtool', args, { cwd: PROMETHEUS_FOLDER });
  return stdout;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One file of `promtool test rules`. */
export interface RuleTestFile {
  readonly rule_files: readonly string[];
  readonly tests: readonly {
    readonly name: string;
    readonly promql_expr_test: readonly {
      readonly expr: string;
      readonly exp_samples?: readonly { readonly labels: string }[];
    }[];
  }[];
}

interface RuleFile<R> {
  readonly groups: readonly { readonly rules: readonly R[] }[];
}

function readYaml<T>(file: string): T {
  return parse(readFileSync(join(PROMETHEUS_FOLDER, file), 'utf8')) as T;
}

export function recordingRules(): readonly RecordingRule[] {
  return readYaml<RuleFile<RecordingRule>>('icapgw.rules.yml').groups.flatMap(({ rules }) => rules);
}

export function alertRules(): readonly AlertRule[] {
  return readYaml<RuleFile<AlertRule>>('icapgw.alerts.yml').groups.flatMap(({ rules }) => rules);
}

/** Paths in `deploy/prometheus`. */
export const RULE_TEST_FILES: readonly string[] = globSync('tests/*_test.yml', { cwd: PROMETHEUS_FOLDER });

export function ruleTests(file: string): RuleTestFile {
  return readYaml<RuleTestFile>(file);
}
