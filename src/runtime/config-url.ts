import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { MAX_CONFIG_BYTES } from '../config/yaml.ts';
import { messageOf, type Problem } from '../errors.ts';
import { feedFolder } from '../feeds/feed-folder.ts';
import { withoutCredentials } from '../observe/redaction.ts';

export interface ConfigUrlOptions {
  /** Keeps the copy where the environment names no folder for state. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The last copy that could be used. */
const COPY = 'icapgw-config.yaml';
const FETCH_PATIENCE_MS = 10_000;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

export function isConfigUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

/**
 * Fetches the configuration of a connector and keeps a copy of what can be used; when it cannot be fetched, the copy
 * serves. Never rejects. Problems name the URL without its credentials.
 */
export async function loadConfigUrl(url: string, { cwd, env }: ConfigUrlOptions): Promise<LoadedConfig> {
  const shown = withoutCredentials(url);
  const folder = feedFolder({ feeds: undefined, file: join(cwd, COPY) }, env);
  const copy = join(folder, COPY);
  const fresh = `${copy}.new`;
  const told = problemOf(shown);
  const fetched = await fetchText(url);
  if ('trouble' in fetched) {
    if (!existsSync(copy)) return failed(told('error', `cannot be fetched: ${fetched.trouble}`, 'ICAPGW_CONFIG_READ'));
    const since = statSync(copy).mtime.toISOString();
    const text = `cannot be fetched: ${fetched.trouble}; the copy of ${since} serves in its place`;
    return renamed(loadConfig(copy, cwd, { role: 'connector' }), shown, [
      told('warning', text, 'ICAPGW_CONFIG_DOUBTFUL'),
    ]);
  }
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    // What a crash or somebody else left there has other permissions, or leads elsewhere.
    rmSync(fresh, { force: true });
    writeFileSync(fresh, fetched.text, { mode: FILE_MODE, flag: 'wx', flush: true });
    const loaded = loadConfig(fresh, cwd, { role: 'connector' });
    if (loaded.config === undefined) rmSync(fresh, { force: true });
    else renameSync(fresh, copy);
    const warnings = isClear(url) ? [told('warning', CLEAR, 'ICAPGW_CONFIG_UNSAFE')] : [];
    const config = loaded.config && Object.freeze({ ...loaded.config, file: copy });
    return renamed({ ...loaded, config }, shown, warnings);
  } catch (error) {
    const text = `the copy in ${folder} cannot be kept: ${messageOf(error)}; let this user write there, or set STATE_DIRECTORY`;
    return failed(told('error', text, 'ICAPGW_CONFIG_READ'));
  }
}

const CLEAR = 'came in clear: whoever is on the way can read and change it; serve it by https';

function isClear(url: string): boolean {
  return /^http:/i.test(url) && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(URL.parse(url)?.hostname ?? '');
}

function isDowngrade(asked: string, answered: string): boolean {
  return /^https:/i.test(asked) && !/^https:/i.test(answered);
}

async function fetchText(url: string): Promise<{ readonly text: string } | { readonly trouble: string }> {
  try {
    const { username, password } = new URL(url);
    const target = new URL(url);
    target.username = '';
    target.password = '';
    const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString(
      'base64',
    );
    const response = await fetch(target, {
      signal: AbortSignal.timeout(FETCH_PATIENCE_MS),
      headers: username === '' ? {} : { authorization: `Basic ${credentials}` },
    });
    if (!response.ok) return { trouble: `the server answered ${response.status}` };
    if (isDowngrade(url, response.url))
      return { trouble: 'the server leads from https to http, where it can be changed' };
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > MAX_CONFIG_BYTES) return { trouble: `it is larger than ${MAX_CONFIG_BYTES} bytes` };
      chunks.push(chunk);
    }
    return { text: Buffer.concat(chunks).toString('utf8') };
  } catch (error) {
    // fetch() says "fetch failed"; why is in the cause. Neither has the URL.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if (cause instanceof TypeError) return { trouble: 'it is no URL' };
    // Several addresses that all fail have a code in common, and nothing to say.
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason was given';
    return { trouble: messageOf(cause) || code };
  }
}

function problemOf(file: string): (...what: readonly [Problem['severity'], string, Problem['code']]) => Problem {
  return (severity, message, code) => ({ severity, file, line: 0, message, code });
}

function failed(problem: Problem): LoadedConfig {
  return { config: undefined, problems: [problem], lineOf: () => 0, texts: new Map(), foreground: undefined };
}

/** What the copy has to say is about the URL. */
function renamed(loaded: LoadedConfig, file: string, more: readonly Problem[]): LoadedConfig {
  return { ...loaded, problems: [...more, ...loaded.problems.map((problem) => ({ ...problem, file }))] };
}
