import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { LAUNCHER, runCommand, STUNNEL } from '../_util/e2e-launcher.ts';
import { startTunnelBackend } from '../_util/e2e-tunnel.ts';
import { startWireServer } from '../_util/tls-server.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-inetd-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

function fileOf(...lines: readonly string[]): string {
  files += 1;
  const path = join(folder, `inetd-${files}.conf`);
  writeFileSync(path, `${['foreground = quiet', 'syslog = no', ...lines].join('\n')}\n`);
  return path;
}

/** As inetd does it: each connection becomes the standard input and output of a program of its own. */
async function startInetd(program: string, file: string) {
  const started: ChildProcess[] = [];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    started.push(spawn(program, [file], { stdio: [socket, socket, 'ignore'] }));
    socket.destroy();
    begin();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    begun,
    started,
    async connect(): Promise<TLSSocket> {
      const socket = connectTls({ port, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const child of started) child.kill('SIGKILL');
      server.close();
      await once(server, 'close');
    },
  };
}

describe.each([STUNNEL, LAUNCHER])('a file without sections, %s', (program) => {
  test('serves the connection that inetd gives it, and ends with it', async () => {
    await using backend = await startTunnelBackend();
    const log = join(folder, `${files}.log`);
    const pid = join(folder, `${files}.pid`);
    const file = fileOf(
      `cert = ${lab.server.combined}`,
      `output = ${log}`,
      `pid = ${pid}`,
      `connect = ${backend.address}`,
    );
    await using inetd = await startInetd(program, file);
    const client = await inetd.connect();
    client.end('there and back');
    expect(await text(client)).toBe('there and back');
    const [child] = inetd.started as [ChildProcess];
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    expect(readFileSync(log, 'utf8')).toMatch(/LOG5.* Service \[stunnel\] accepted connection from 127\.0\.0\.1:\d+\n/);
    expect(readFileSync(log, 'utf8')).toMatch(
      /Connection closed: 14 byte\(s\) sent to TLS, 14 byte\(s\) sent to socket\n/,
    );
    expect(existsSync(pid)).toBe(false);
  });

  test.each([
    ['says nothing and leaves', '', /Connection (?:closed|reset)/],
    ['does not speak TLS', 'GET / HTTP/1.0\r\n\r\n', /SSL_accept: /],
  ])('ends with a client that %s, and says so', async (_, bytes, line) => {
    const log = join(folder, `${files}-early.log`);
    const file = fileOf(`cert = ${lab.server.combined}`, `output = ${log}`, 'connect = 127.0.0.1:9');
    await using inetd = await startInetd(program, file);
    const client = connect({ host: '127.0.0.1', port: inetd.port });
    client.on('error', () => client.destroy());
    client.end(bytes);
    await inetd.begun;
    const [child] = inetd.started as [ChildProcess];
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    expect(readFileSync(log, 'utf8')).toMatch(line);
    expect(readFileSync(log, 'utf8')).toMatch(/LOG5.* Service \[stunnel\] accepted connection from 127\.0\.0\.1:\d+\n/);
  });

  test('writes all of its log to standard error before it ends, and nothing else', async () => {
    const file = fileOf('foreground = yes', 'debug = 5', `cert = ${lab.server.combined}`, 'connect = 127.0.0.1:9');
    const child = spawn(program, [file], { stdio: ['pipe', 'ignore', 'pipe'] });
    child.stdin.on('error', () => {}); // it may have left before it has read this
    child.stdin.end('GET / HTTP/1.0\r\n\r\n');
    const log = await text(child.stderr);
    expect(log).toMatch(/LOG5.* Service \[stunnel\] accepted connection from /);
    expect(log).toMatch(/LOG3.* SSL_accept: .*\n/);
    expect(log).not.toMatch(/warning/i);
  });

  test('gives the connection to a program', async () => {
    const file = fileOf(`cert = ${lab.server.combined}`, 'exec = /bin/cat', 'execArgs = cat');
    await using inetd = await startInetd(program, file);
    const client = await inetd.connect();
    client.end('through a program');
    expect(await text(client)).toBe('through a program');
  });

  test('takes clear text from a pipe to a server that speaks TLS', async () => {
    await using server = await startWireServer({ identity: lab.server }, ({ tls }) => {
      tls.on('data', () => tls.end('answer'));
    });
    const file = fileOf('client = yes', `connect = 127.0.0.1:${server.port}`);
    expect(await runCommand(program, [file], { input: 'request' })).toMatchObject({
      code: 0,
      stdout: 'answer',
      stderr: '',
    });
  });

  test.each([
    [
      `accept = 1\nconnect = 1\ncert = ${lab.server.combined}`,
      "Inetd mode: 'accept' option is only allowed in a [section]",
    ],
    ['connect = 1', 'Inetd mode: TLS server needs a certificate'],
    [`cert = ${lab.server.combined}`, 'Inetd mode: Inetd mode must define one endpoint'],
  ])('with %s alone is a mistake', async (line, message) => {
    const { code, stderr } = await runCommand(program, [fileOf(line)]);
    expect(code).toBe(1);
    expect(stderr).toContain(`[!] ${message}`);
  });
});
