import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { LineLog } from './line-log.ts';
import { ConfigFile, onlyPort, portOf, type TunnelProcess } from './stunnel-process.ts';

/** The entry of the program, run from its sources. */
export const MAIN: string = join(import.meta.dirname, '../../src/main.ts');

/** Needed to find the ports; everything else is the text that stunnel gets. */
const EXTRA_LINES: Readonly<Record<GatewayLog, string>> = {
  json: 'icapgw.log.format = json\nicapgw.admin.listen = off\n',
  stunnel: 'debug = info\nicapgw.log.format = stunnel\nicapgw.admin.listen = off\nicapgw.workers = 1\n',
};

/** The lines it writes: of its own kind, or those that stunnel writes. */
export type GatewayLog = 'json' | 'stunnel';

/** What a line says that the tests wait for. */
type Reading =
  | { readonly kind: 'listening'; readonly service: string; readonly port: number }
  | { readonly kind: 'ready' | 'taken' | 'refused' };

/** Runs icapgw with a stunnel.conf whose services accept on port 0. */
export async function startGatewayAsStunnel(text: string, format: GatewayLog = 'json'): Promise<TunnelProcess> {
  const file = new ConfigFile(EXTRA_LINES[format]);
  file.write(text);
  const child = spawn(process.execPath, [MAIN, 'run', '-c', file.path], { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'exit');
  const log = new LineLog('icapgw', child, child.stderr);
  const read = format === 'json' ? readJson : readStunnel;
  const readings = (lines: readonly string[]): Reading[] => lines.flatMap((line) => read(line) ?? []);
  await log.until((lines) => readings(lines).find(({ kind }) => kind === 'ready'));
  // What is bound stays bound over a reload.
  const ports = (): ReadonlyMap<string, number> =>
    new Map(readings(log.lines).flatMap((each) => (each.kind === 'listening' ? [[each.service, each.port]] : [])));
  return {
    get port() {
      return onlyPort(ports());
    },
    portOf: (service) => portOf(ports(), service),
    path: file.path,
    log: log.lines,
    reload(next) {
      const from = log.lines.length;
      file.write(next);
      child.kill('SIGHUP');
      return log.until((lines) => readings(lines).map(outcomeOf).find(Boolean), from);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      // The second signal cuts what a test left open.
      child.kill('SIGINT');
      await closed;
      file[Symbol.dispose]();
    },
  };
}

function outcomeOf({ kind }: Reading): 'taken' | 'refused' | undefined {
  return kind === 'taken' || kind === 'refused' ? kind : undefined;
}

const EVENTS: Readonly<Record<string, 'ready' | 'taken' | 'refused'>> = {
  ready: 'ready',
  reloaded: 'taken',
  'reload-failed': 'refused',
};

function readJson(line: string): Reading | undefined {
  if (!line.startsWith('{')) return undefined;
  const { event = '', service = '', address = '' } = JSON.parse(line) as Readonly<Record<string, string>>;
  if (event === 'listening') {
    return { kind: 'listening', service, port: Number(address.slice(address.lastIndexOf(':') + 1)) };
  }
  const kind = EVENTS[event];
  return kind && { kind };
}

function readStunnel(line: string): Reading | undefined {
  const [, service, port] = /Service \[(.*)\] bound to \S+:(\d+)$/.exec(line) ?? [];
  if (service !== undefined) return { kind: 'listening', service, port: Number(port) };
  if (line.endsWith('Accepting new connections')) return { kind: 'ready' };
  // When all of it is done: stunnel's own words come before.
  if (line.includes(': configuration reloaded from ')) return { kind: 'taken' };
  return line.endsWith('Failed to reload the configuration file') ? { kind: 'refused' } : undefined;
}
