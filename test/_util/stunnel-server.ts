import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** A real stunnel in front of a server that sends back what it gets. */
export interface StunnelServer extends AsyncDisposable {
  readonly port: number;
}

/** Starts stunnel4 with the given lines in its one service; a machine without it fails the test. */
export async function startStunnelEcho(lines: readonly string[]): Promise<StunnelServer> {
  const echo = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port: echoPort } = echo.address() as AddressInfo;
  const child = spawn('stunnel4', ['-fd', '0'], { stdio: ['pipe', 'ignore', 'pipe'] });
  const text = [
    'foreground = yes',
    'syslog = no',
    'debug = info',
    'pid =',
    '[echo]',
    'accept = 127.0.0.1:0',
    `connect = 127.0.0.1:${echoPort}`,
    ...lines,
  ];
  await once(child, 'spawn');
  const closed = once(child, 'close');
  child.stdin.end(`${text.join('\n')}\n`);
  const log: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      log.push(line);
      const bound = /bound to 127\.0\.0\.1:(\d+)/.exec(line);
      if (bound !== null) resolve(Number(bound[1]));
    });
    child.once('exit', () => reject(new Error(`stunnel ended:\n${log.join('\n')}`)));
  });
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
      echo.close();
      await once(echo, 'close');
    },
  };
}
