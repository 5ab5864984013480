import type { Config } from '../config/config.ts';
import { type LoadedConfig, lineOfProblem, loadConfig, mergeProblems } from '../config/load.ts';
import { namedServices } from '../config/redirect.ts';
import { messageOf, type Problem, RuntimeError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { ReloadResult } from '../observe/reload-result.ts';
import type { StunnelHost } from '../stunnel/host.ts';
import { verifyBlockList } from './block-list-file.ts';
import { verifyFeed } from './feed-check.ts';
import { type LoadedService, loadMaterial } from './material.ts';

export interface ReloaderOptions {
  /** The configuration that was started with; its file is read again. */
  readonly config: Config;
  /** Where relative names in the file are looked for. */
  readonly cwd: string;
  /** As whom a stunnel.conf is read. */
  readonly host: StunnelHost;
  /** Reads the configuration where it is not simply that file. */
  readonly load?: (() => Promise<LoadedConfig>) | undefined;
  readonly log: Logger;
  /** Takes a checked configuration over. Throws where an address cannot be had, with nothing changed. */
  readonly apply: (config: Config, material: readonly LoadedService[]) => Promise<void>;
  /** Whether the gateway is on its way out: then nothing is loaded any more. */
  readonly isEnding: () => boolean;
  /** Told after each attempt. */
  readonly onResult: (isSuccess: boolean) => void;
}

/** Settings of the process itself, which another configuration cannot change. */
const FIXED: readonly (readonly [key: string, of: (config: Config) => unknown])[] = [
  ['workers', ({ workers }) => workers],
  // Level and file are followed.
  ['log', ({ log }) => ({ ...log, level: undefined, file: undefined, stderr: undefined, overwrite: undefined })],
  ['admin', ({ admin }) => admin],
  ['tracing', ({ tracing }) => tracing],
  ['pid', ({ pidFile }) => pidFile],
  ['setuid', ({ setuid }) => setuid],
  ['setgid', ({ setgid }) => setgid],
  ['feeds', ({ feeds }) => feeds === undefined],
  ['feeds.state-dir', ({ feeds }) => feeds?.stateDir],
  ['feeds.queue', ({ feeds }) => feeds?.queue],
  ['feeds.guardduty.host', ({ feeds }) => feeds?.guardDuty?.host],
  ['feeds.guardduty.port', ({ feeds }) => feeds?.guardDuty?.port],
  ['feeds.guardduty.tls', ({ feeds }) => feeds?.guardDuty?.tls === undefined],
];

/**
 * Loads the configuration anew when it is asked to, one attempt at a time. The whole of it is checked before anything
 * changes: one that cannot be used leaves everything as it is, and says why.
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  #config: Config;
  #running: Promise<ReloadResult> | undefined;
  #next: Promise<ReloadResult> | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** Requests that come while one is under way share the one after it: the file may have changed since that began. */
  reload(): Promise<ReloadResult> {
    if (this.#running === undefined) {
      this.#running = this.#attempt().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.reload();
    });
    return this.#next;
  }

  async #attempt(): Promise<ReloadResult> {
    const { log, apply, onResult, cwd, host, isEnding, load } = this.#options;
    const { file } = this.#config;
    if (isEnding()) {
      const detail = 'the gateway is draining';
      log.log('reload-failed', { file, detail, usable: true });
      onResult(false);
      return { ok: false, problems: [detail] };
    }
    const startedMs = performance.now();
    log.log('config-reading', { file });
    const { config, problems, lineOf, texts } = load === undefined ? loadConfig(file, cwd, { host }) : await load();
    const loaded = config === undefined ? undefined : loadMaterial(config, lineOf);
    const listProblems =
      config === undefined ? [] : [...verifyBlockList(config, lineOf), ...verifyFeed(config, lineOf)];
    const all = mergeProblems(problems, [...(loaded?.problems ?? []), ...listProblems]);
    if (config === undefined || loaded === undefined || all.some(({ severity }) => severity === 'error')) {
      this.#tellProblems(all, texts);
      const detail = 'the configuration cannot be used; the one before stays in force';
      log.log('reload-failed', { file, detail, usable: false });
      onResult(false);
      return { ok: false, problems: all.filter(({ severity }) => severity === 'error').map(textOf) };
    }
    log.log('config-accepted', { file });
    try {
      await apply(config, loaded.services);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      log.log('reload-failed', { file, detail: messageOf(error), usable: true });
      onResult(false);
      return { ok: false, problems: [error.message] };
    }
    this.#tellProblems(all, texts);
    const fixed = FIXED.filter(([, of]) => JSON.stringify(of(config)) !== JSON.stringify(of(this.#options.config)));
    if (fixed.length > 0) log.log('restart-needed', { keys: fixed.map(([key]) => key) });
    this.#config = config;
    const services = namedServices(config.services).length;
    log.log('reloaded', { file, services, ms: Math.round(performance.now() - startedMs) });
    onResult(true);
    return { ok: true };
  }

  #tellProblems(problems: readonly Problem[], texts: ReadonlyMap<string, string>): void {
    for (const problem of problems) {
      const { file, line, severity, code, message } = problem;
      // As stunnel tells it; elsewhere the place is enough.
      const written = this.#options.host === 'stunnel' ? lineOfProblem(problem, texts) : undefined;
      this.#options.log.log('config-problem', { file, line, severity, code, text: message, written });
    }
  }
}

function textOf({ file, line, message, code }: Problem): string {
  return `${file}:${line}: ${message} [${code}]`;
}
