import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, type LoggerOptions, openLogger } from '../../src/observe/logger.ts';

export interface TestFolder extends AsyncDisposable {
  readonly path: string;
  file(name: string): string;
  read(name: string): Promise<string>;
  lines(name: string): Promise<string[]>;
}

export async function createFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'icapgw-observe-'));
  const read = (name: string): Promise<string> => readFile(join(path, name), 'utf8');
  return {
    path,
    file: (name) => join(path, name),
    read,
    lines: async (name) => (await read(name)).split('\n').filter((line) => line !== ''),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

export interface TestLog extends AsyncDisposable {
  readonly log: Logger;
  /** What was said because the log itself could not say it. */
  readonly complaints: string[];
  /** Closes the log and reads it as JSON. */
  events(): Promise<Record<string, unknown>[]>;
}

/** A log in a file of its own. */
export async function createLog(options: Partial<LoggerOptions> = {}): Promise<TestLog> {
  const folder = await createFolder();
  const complaints: string[] = [];
  const log = await openLogger({
    level: 'debug',
    format: 'json',
    file: folder.file('log'),
    overwrite: false,
    stderr: false,
    syslog: undefined,
    connectionId: 'sequential',
    serviceLevels: new Map(),
    color: false,
    complain: (text) => complaints.push(text),
    ...options,
  });
  return {
    log,
    complaints,
    async events() {
      await log[Symbol.asyncDispose]();
      return (await folder.lines('log')).map((line) => JSON.parse(line));
    },
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
