import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LineLog } from './line-log.ts';

/** A program that listens: a real stunnel, or icapgw in its place. */
export interface TunnelProcess extends AsyncDisposable {
  /** Of the only service, or of the one whose name is given. */
  readonly port: number;
  portOf(service: string): number;
  /** Of its configuration. */
  readonly path: string;
  /** Everything that it has logged so far. */
  readonly log: readonly string[];
  /** Gives the file another text and sends SIGHUP; resolves when the program has said what it makes of it. */
  reload(text: string): Promise<'taken' | 'refused'>;
}

const PROCESS_LINES = 'foreground = yes\nsyslog = no\ndebug = info\npid =\n';

/** Starts stunnel4 with a configuration whose services accept on port 0; a machine without it fails the test. */
export async function startStunnel(text: string): Promise<TunnelProcess> {
  const file = new ConfigFile(PROCESS_LINES);
  file.write(text);
  const child = spawn('stunnel4', [file.path], { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(child, 'spawn');
  const closed = once(child, 'exit');
  const log = new LineLog('stunnel', child, child.stderr);
  const ports = new Map<string, number>();
  // After a reload it says nothing but where it is bound.
  const bind = async (count: number, from: number): Promise<void> => {
    const bound = await log.until((lines) => atLeast(count, lines.flatMap(boundService)), from);
    for (const [service, port] of bound) ports.set(service, port);
  };
  await bind(acceptCount(text), 0);
  await log.until((lines) => lines.find((line) => line.endsWith('Accepting new connections')));
  return {
    get port() {
      return onlyPort(ports);
    },
    portOf: (service) => portOf(ports, service),
    path: file.path,
    log: log.lines,
    async reload(next) {
      const from = log.lines.length;
      file.write(next);
      child.kill('SIGHUP');
      const outcome = await log.until((lines) => lines.map(reloadOutcome).find((found) => found !== undefined), from);
      if (outcome === 'taken') await bind(acceptCount(next), from);
      return outcome;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
      file[Symbol.dispose]();
    },
  };
}

/** A configuration in a folder of its own; every text gets the same first lines, behind a byte order mark if it has one. */
export class ConfigFile implements Disposable {
  readonly path: string;
  readonly #dir: string;
  readonly #head: string;

  constructor(head: string) {
    this.#head = head;
    this.#dir = mkdtempSync(join(tmpdir(), 'icapgw-stunnel-'));
    this.path = join(this.#dir, 'stunnel.conf');
  }

  /** Replaces the file in one step, so that nobody reads half of it. */
  write(text: string): void {
    const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
    writeFileSync(`${this.path}.new`, `${mark}${this.#head}${text.slice(mark.length)}`);
    renameSync(`${this.path}.new`, this.path);
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true });
  }
}

export function portOf(ports: ReadonlyMap<string, number>, service: string): number {
  const port = ports.get(service);
  if (port === undefined) throw new Error(`no service ${service} listens; there are ${[...ports.keys()].join(', ')}`);
  return port;
}

export function onlyPort(ports: ReadonlyMap<string, number>): number {
  const [port, another] = ports.values();
  if (port === undefined || another !== undefined) throw new Error(`there are ${ports.size} services: say which`);
  return port;
}

function acceptCount(text: string): number {
  return text.match(/^accept\s*=/gm)?.length ?? 0;
}

function boundService(line: string): readonly [service: string, port: number][] {
  const [, service = '', port] = /Service \[(.*)\] \(FD=\d+\) bound to \S+:(\d+)/.exec(line) ?? [];
  return port === undefined ? [] : [[service, Number(port)]];
}

function atLeast<T>(count: number, list: readonly T[]): readonly T[] | undefined {
  return list.length < count ? undefined : list;
}

function reloadOutcome(line: string): 'taken' | 'refused' | undefined {
  if (line.endsWith('Configuration successful')) return 'taken';
  return line.endsWith('Failed to reload the configuration file') ? 'refused' : undefined;
}
