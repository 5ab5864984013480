import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { LineLog } from './line-log.ts';
import { ConfigFile, onlyPort, portOf, type TunnelProcess } from './stunnel-process.ts';

/** The entry of the program, run from its sources. */
export const MAIN: string = join(import.meta.dirname, '../../src/main.ts');

/** What the test needs to find the ports; everything else is the text that stunnel gets. */
const EXTRA_LINES = 'icapgw.log.format = json\nicapgw.admin.listen = off\n';

/** Runs icapgw with a stunnel.conf whose services accept on port 0. */
export async function startGatewayAsStunnel(text: string): Promise<TunnelProcess> {
  const file = new ConfigFile(EXTRA_LINES);
  file.write(text);
  const child = spawn(process.execPath, [MAIN, 'run', '-c', file.path], { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'exit');
  const log = new LineLog('icapgw', child, child.stderr);
  await log.until((lines) => lines.map(eventOf).find(({ event }) => event === 'ready'));
  // What is bound stays bound over a reload, and is not told again.
  const ports = (): ReadonlyMap<string, number> =>
    new Map(log.lines.map(eventOf).flatMap(({ event, ...fields }) => (event === 'listening' ? [bound(fields)] : [])));
  return {
    get port() {
      return onlyPort(ports());
    },
    portOf: (service) => portOf(ports(), service),
    log: log.lines,
    reload(next) {
      const from = log.lines.length;
      file.write(next);
      child.kill('SIGHUP');
      return log.until((lines) => lines.map((line) => OUTCOMES[eventOf(line).event]).find(Boolean), from);
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

interface GatewayEvent {
  readonly event: string;
  readonly service?: string;
  readonly address?: string;
}

const OUTCOMES: Readonly<Record<string, 'taken' | 'refused'>> = { reloaded: 'taken', 'reload-failed': 'refused' };

function eventOf(line: string): GatewayEvent {
  return line.startsWith('{') ? (JSON.parse(line) as GatewayEvent) : { event: '' };
}

function bound({ service = '', address = '' }: Omit<GatewayEvent, 'event'>): [service: string, port: number] {
  return [service, Number(address.slice(address.lastIndexOf(':') + 1))];
}
