import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { messageOf, type Problem } from '../errors.ts';
import { feedFolder } from '../feeds/feed-folder.ts';
import { withoutCredentials } from '../observe/redaction.ts';
import { fetchText } from './config-fetch.ts';

export interface ConfigUrlOptions {
  /** Keeps the copy where the environment names no folder for state. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** What else stands against a configuration that could be read, such as the files it names. */
  readonly objections: (config: Config, lineOf: LoadedConfig['lineOf']) => Promise<readonly Problem[]>;
}

/** The last copy that could be used. */
const COPY = 'icapgw-config.yaml';
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** Of the mistakes in a text that is not taken, so many are told. */
const TOLD_MISTAKES = 3;
const CLEAR = 'came in clear: whoever is on the way can read and change it; serve it by https';

export function isConfigUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

/**
 * Fetches the configuration of a connector and keeps a copy of what can be used. When it cannot be fetched, or what comes
 * cannot be used, the copy serves. Never rejects. Problems name the URL without its credentials.
 */
export async function loadConfigUrl(url: string, options: ConfigUrlOptions): Promise<LoadedConfig> {
  const shown = withoutCredentials(url);
  const copy = join(feedFolder({ feeds: undefined, file: join(options.cwd, COPY) }, options.env), COPY);
  const fetched = await fetchText(url);
  if ('trouble' in fetched) {
    const trouble = `cannot be fetched: ${fetched.trouble}`;
    const away = { ...failed(problem(shown, 'error', trouble, 'ICAPGW_CONFIG_READ')), isAway: true };
    return serveCopy(copy, shown, trouble, options) ?? away;
  }
  let taken: LoadedConfig;
  try {
    taken = renamed(await take(fetched.text, copy, options), shown);
  } catch (error) {
    const message = `the copy ${copy} cannot be kept: ${messageOf(error)}; let this user write there, or set STATE_DIRECTORY`;
    return failed(problem(shown, 'error', message, 'ICAPGW_CONFIG_READ'));
  }
  if (taken.config === undefined) {
    const trouble = `serves what cannot be used (${mistakesOf(taken.problems)})`;
    return serveCopy(copy, shown, trouble, options) ?? taken;
  }
  const warnings = isClear(url) ? [problem(shown, 'warning', CLEAR, 'ICAPGW_CONFIG_UNSAFE')] : [];
  return { ...taken, problems: [...warnings, ...taken.problems] };
}

/** Makes a text the copy, where it can be used. Throws where the disk does not take it. */
async function take(text: string, copy: string, { cwd, objections }: ConfigUrlOptions): Promise<LoadedConfig> {
  const fresh = `${copy}.new`;
  mkdirSync(dirname(copy), { recursive: true, mode: FOLDER_MODE });
  // What a crash or somebody else left there has other permissions, or leads elsewhere.
  rmSync(fresh, { force: true });
  writeFileSync(fresh, text, { mode: FILE_MODE, flag: 'wx', flush: true });
  const loaded = loadConfig(fresh, cwd, { role: 'connector' });
  const against = loaded.config === undefined ? [] : await objections(loaded.config, loaded.lineOf);
  const errors = against.filter(({ severity }) => severity === 'error');
  if (loaded.config === undefined || errors.length > 0) {
    rmSync(fresh, { force: true });
    return { ...loaded, config: undefined, problems: [...loaded.problems, ...errors] };
  }
  renameSync(fresh, copy);
  return { ...loaded, config: Object.freeze({ ...loaded.config, file: copy }) };
}

/** Undefined where there is no copy. */
function serveCopy(copy: string, shown: string, trouble: string, { cwd }: ConfigUrlOptions): LoadedConfig | undefined {
  if (!existsSync(copy)) return undefined;
  const message = `${trouble}; the copy of ${statSync(copy).mtime.toISOString()} serves in its place`;
  const loaded = renamed(loadConfig(copy, cwd, { role: 'connector' }), shown);
  const warning = problem(shown, 'warning', message, 'ICAPGW_CONFIG_DOUBTFUL');
  return { ...loaded, problems: [warning, ...loaded.problems] };
}

function mistakesOf(problems: readonly Problem[]): string {
  const mistakes = problems.filter(({ severity }) => severity === 'error');
  const told = mistakes
    .slice(0, TOLD_MISTAKES)
    .map(({ line, message }) => `${line > 0 ? `line ${line}: ` : ''}${message}`);
  const rest = mistakes.length - told.length;
  return [...told, ...(rest > 0 ? [`${rest} more`] : [])].join('; ');
}

function isClear(url: string): boolean {
  return /^http:/i.test(url) && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(URL.parse(url)?.hostname ?? '');
}

function problem(file: string, severity: Problem['severity'], message: string, code: Problem['code']): Problem {
  return { severity, file, line: 0, message, code };
}

function failed(reason: Problem): LoadedConfig {
  return { config: undefined, problems: [reason], lineOf: () => 0, texts: new Map(), foreground: undefined };
}

/** What the copy has to say is about the URL. */
function renamed(loaded: LoadedConfig, file: string): LoadedConfig {
  return { ...loaded, problems: loaded.problems.map((each) => ({ ...each, file })) };
}
