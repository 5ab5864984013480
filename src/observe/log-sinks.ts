import type { LogConfig } from '../config/log-config.ts';
import { messageOf } from '../errors.ts';
import { type LineSink, openLineSink } from './line-sink.ts';

/** Where the lines of the log go, syslog left out. */
export type LogPlace = Pick<LogConfig, 'file' | 'stderr' | 'overwrite'>;

export interface LogSinksOptions {
  /** For what the log itself cannot say: its file is in trouble. Never called for standard error. */
  readonly onTrouble: (file: string, detail: string) => void;
  /** Told when lines are written again, with the number of those that were lost. */
  readonly onLost: (count: number, file: string) => void;
}

/** A file that could not be opened: what was open before still is. */
export interface OpenFailure {
  readonly file: string;
  readonly detail: string;
}

const MAX_PENDING_BYTES = 1024 * 1024;
const STDERR = 2;

type Target = string | typeof STDERR;

/** Opens them. Throws `ICAPGW_LOG_FILE` where the file cannot be opened. */
export async function openLogSinks(place: LogPlace, options: LogSinksOptions): Promise<LogSinks> {
  const sinks = new LogSinks(options);
  await sinks.open(place);
  return sinks;
}

/** The file and the standard stream that the log goes to: one, both or neither. */
export class LogSinks implements AsyncDisposable {
  readonly #options: LogSinksOptions;
  #sinks: ReadonlyMap<Target, LineSink> = new Map();
  /** By sinks that are closed. */
  #lostBefore = 0;

  constructor(options: LogSinksOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#sinks.size === 0;
  }

  /** Lines lost since the start. */
  get lostCount(): number {
    return [...this.#sinks.values()].reduce((sum, { lostCount }) => sum + lostCount, this.#lostBefore);
  }

  write(line: string): void {
    for (const sink of this.#sinks.values()) sink.write(line);
  }

  flush(): void {
    for (const sink of this.#sinks.values()) sink.flush();
  }

  /** Goes on there: what is open there already stays, the rest is closed. Throws as `openLogSinks`, with nothing changed. */
  async open(place: LogPlace): Promise<void> {
    const before = this.#sinks;
    const after = new Map<Target, LineSink>();
    for (const target of targetsOf(place)) {
      after.set(target, before.get(target) ?? (await this.#openSink(target, place.overwrite)));
    }
    this.#sinks = after;
    for (const [target, sink] of before) {
      if (after.has(target)) continue;
      await sink[Symbol.asyncDispose]();
      this.#lostBefore += sink.lostCount;
    }
  }

  /** Opens the file again after a rotation. */
  async reopen(): Promise<OpenFailure | undefined> {
    for (const [target, sink] of this.#sinks) {
      const detail = await sink.reopen();
      if (detail !== undefined) return { file: nameOf(target), detail };
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sinks.values()].map((sink) => sink[Symbol.asyncDispose]()));
  }

  async #openSink(target: Target, overwrite: boolean): Promise<LineSink> {
    const { onTrouble, onLost } = this.#options;
    return await openLineSink({
      target,
      overwrite,
      maxPendingBytes: MAX_PENDING_BYTES,
      onTrouble: (detail) => {
        if (target !== STDERR) onTrouble(target, detail);
      },
      onRecovered: (lostCount) => onLost(lostCount, nameOf(target)),
    });
  }
}

/** What `open` threw, for those who go on in spite of it. */
export function failureOf({ file }: LogPlace, error: unknown): OpenFailure {
  return {
    file,
    detail: error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error),
  };
}

function targetsOf({ file, stderr }: LogPlace): readonly Target[] {
  return [...(file === '-' || stderr ? ([STDERR] as const) : []), ...(file === '-' || file === 'off' ? [] : [file])];
}

function nameOf(target: Target): string {
  return target === STDERR ? '-' : target;
}
