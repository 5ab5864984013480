import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { LAUNCHER, type LaunchedProgram, launch, STUNNEL } from '../_util/e2e-launcher.ts';
import { dialTunnel, startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

let folder: TestFolder;
let backend: TunnelBackend;
beforeAll(async () => {
  folder = await createFolder();
  backend = await startTunnelBackend();
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function section(name: string, lines: readonly string[] = []): readonly string[] {
  const { server } = certificates();
  return [`[${name}]`, 'accept = 127.0.0.1:0', `connect = ${backend.address}`, `cert = ${server.combined}`, ...lines];
}

async function configure(name: string, lines: readonly string[]): Promise<string> {
  const file = folder.file(`${name}.conf`);
  await writeFile(file, `${['syslog = no', ...lines].join('\n')}\n`);
  return file;
}

const PATIENT = { timeout: 20_000 };
const OURS = 'icapgw.admin.listen = off';

async function portOf(program: LaunchedProgram, service: string, after = 0): Promise<number> {
  const [, port] = await program.line(new RegExp(`Service \\[${service}\\] .*bound to .*:(\\d+)$`), after);
  return Number(port);
}

/** A client that has got its first answer and stays. */
async function connectedClient(port: number): Promise<ReturnType<typeof dialTunnel>> {
  const client = dialTunnel(port);
  client.on('error', () => client.destroy());
  client.write('ping');
  await once(client, 'data');
  return client;
}

/** Their texts, without what differs from run to run: time, ports, descriptors, bytes of the binary. */
function shapeOf(lines: readonly string[], wanted: RegExp): string[] {
  return lines
    .filter((line) => wanted.test(line))
    .map((line) =>
      line
        .replace(/^\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d /, '')
        .replace(/ \(FD=\d+\)/, '')
        .replace(/:\d+$/, ':PORT'),
    );
}

describe('in the foreground', () => {
  test('it says what stunnel says, in its order and once each, at the start, at a reload and at the end', async () => {
    const lines = ['foreground = yes', 'debug = info'];
    const ours = await configure('ours', [...lines, OURS, ...section('icap'), ...section('other')]);
    const real = await configure('real', [...lines, ...section('icap'), ...section('other')]);
    const wanted =
      /Reading configuration|FIPS mode|Configuration successful|bound to|Accepting new|Log file reopened|Terminated$|Failed to reload|Configuration failed|Active connections|Listed/;
    const run = async (program: string, file: string): Promise<string[]> => {
      await using process = launch(program, [file]);
      await process.line(/Accepting new connections/);
      const text = await readFile(file, 'utf8');
      process.signal('SIGUSR1');
      await process.line(/Log file reopened/);
      process.signal('SIGUSR2');
      await process.line(/Listed 0 active/);
      const before = process.lines.length;
      process.signal('SIGHUP');
      await portOf(process, 'other', before);
      await writeFile(file, `${text}bogus = 1\n`);
      process.signal('SIGHUP');
      await process.line(/Failed to reload/);
      process.signal('SIGTERM');
      expect(await process.ended).toBe(0);
      return shapeOf(process.lines, wanted).map((line) => line.replaceAll(file, 'FILE'));
    };
    const theirs = await run(STUNNEL, real);
    expect(await run(LAUNCHER, ours)).toEqual(theirs);
    expect(theirs.filter((line) => line.includes('Accepting'))).toHaveLength(1);
    expect(theirs.filter((line) => line.includes('bound to'))).toHaveLength(4);
  });

  test('the port of a listener stays what it is through a reload', async () => {
    const file = await configure('reloaded', ['foreground = yes', 'debug = info', OURS, ...section('icap')]);
    await using process = launch(LAUNCHER, [file]);
    const port = await portOf(process, 'icap');
    await process.line(/Accepting new connections/);
    const client = await connectedClient(port);
    const before = process.lines.length;
    process.signal('SIGHUP');
    expect(await portOf(process, 'icap', before)).toBe(port);
    client.write('again');
    expect(String((await once(client, 'data'))[0])).toBe('again');
    client.destroy();
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('it ends with 0 on %s', async (signal) => {
    const ours = await configure('ended', ['foreground = yes', OURS, ...section('icap')]);
    const real = await configure('ended-real', ['foreground = yes', ...section('icap')]);
    const run = async (program: string, file: string): Promise<unknown> => {
      await using process = launch(program, [file]);
      await process.line(/Configuration successful/);
      if (program === LAUNCHER) await process.line(/LOG5\[ui\]: Configuration successful/);
      process.signal(signal);
      const code = await process.ended;
      return [code, shapeOf(process.lines, /Terminated|Received/)];
    };
    // A signal that comes while it starts is obeyed when it has.
    expect(await run(LAUNCHER, ours)).toEqual([
      0,
      [expect.stringMatching(/Terminated$|Received SIG(?:INT|QUIT); term/)],
    ]);
    expect(await run(STUNNEL, real)).toEqual([
      0,
      [expect.stringMatching(/Terminated$|Received SIG(?:INT|QUIT); term/)],
    ]);
  });

  test('it lets a connection finish that is open, and cuts what is left in the end', async () => {
    const lines = ['foreground = yes', 'debug = info', OURS, 'icapgw.drain-timeout = 1s'];
    const file = await configure('drained', [...lines, ...section('icap')]);
    await using process = launch(LAUNCHER, [file]);
    const port = await portOf(process, 'icap');
    await process.line(/Accepting new connections/);
    const [finishing, staying] = [await connectedClient(port), await connectedClient(port)];
    // Cut with a reset, which `once` would take for a failure.
    const cut = new Promise((resolve) => staying.once('close', resolve));
    process.signal('SIGTERM');
    await process.line(/Terminated$/);
    finishing.write('last words');
    expect(String((await once(finishing, 'data'))[0])).toBe('last words');
    finishing.end();
    await cut;
    expect(await process.ended).toBe(0);
  });

  test('SIGUSR2 lists the connections that are open, with their bytes', async () => {
    const lines = ['foreground = yes', 'debug = info'];
    const ours = await configure('listed', [...lines, OURS, ...section('icap')]);
    const real = await configure('listed-real', [...lines, ...section('icap')]);
    const run = async (program: string, file: string): Promise<readonly string[]> => {
      await using process = launch(program, [file]);
      const port = await portOf(process, 'icap');
      await process.line(/Accepting new connections/);
      const client = await connectedClient(port);
      // A byte may be there a moment before it is counted.
      const listed = await vi.waitFor(async () => {
        const before = process.lines.length;
        process.signal('SIGUSR2');
        await process.line(/Listed 1 active connection/, before);
        const lines = shapeOf(process.lines.slice(before), /Active connection|Listed/);
        expect(lines[1]).toMatch(/: Service \[icap\], 4 byte\(s\) sent to TLS, 4 byte/);
        return lines;
      });
      client.destroy();
      return listed;
    };
    const theirs = await run(STUNNEL, real);
    expect(theirs[1]).toBe(
      'LOG0[ui]: Active connection 1: Service [icap], 4 byte(s) sent to TLS, 4 byte(s) sent to socket',
    );
    expect(await run(LAUNCHER, ours)).toEqual(theirs);
  });

  test('it logs to a file too where there is one, or only there with quiet', async () => {
    for (const [foreground, isLoud] of [
      ['yes', true],
      ['quiet', false],
    ] as const) {
      const log = folder.file(`${foreground}.log`);
      const lines = [`foreground = ${foreground}`, `output = ${log}`, OURS];
      const file = await configure(foreground, [...lines, ...section('icap')]);
      await using process = launch(LAUNCHER, [file]);
      await expect.poll(() => readFile(log, 'utf8').catch(() => ''), PATIENT).toContain('Configuration successful');
      process.signal('SIGTERM');
      expect(await process.ended).toBe(0);
      expect(process.lines.some((line) => line.endsWith('LOG5[ui]: Terminated'))).toBe(isLoud);
      expect(process.lines.length > 0).toBe(isLoud);
      expect(await readFile(log, 'utf8')).toContain('LOG5[ui]: Terminated');
    }
  });
});

describe('the lines of connections', () => {
  test('have the level of their section', async () => {
    const lines = ['foreground = yes', 'debug = info', OURS];
    const file = await configure('levels', [...lines, ...section('loud'), ...section('quiet', ['debug = err'])]);
    await using process = launch(LAUNCHER, [file]);
    const [loud, quiet] = [await portOf(process, 'loud'), await portOf(process, 'quiet')];
    await process.line(/Accepting new connections/);
    for (const port of [quiet, loud]) {
      const client = await connectedClient(port);
      client.end();
      await once(client, 'close');
    }
    await process.line(/LOG5\[1\]: Connection closed/);
    expect(process.lines.filter((line) => /LOG\d\[0\]/.test(line))).toEqual([]);
    expect(process.lines.filter((line) => line.includes('Service [loud] accepted connection'))).toHaveLength(1);
  });

  test('have the level that the file asks for now', async () => {
    const file = await configure('talkative', ['foreground = yes', 'debug = info', OURS, ...section('icap')]);
    await using process = launch(LAUNCHER, [file]);
    const port = await portOf(process, 'icap');
    await process.line(/Accepting new connections/);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('debug = info', 'debug = notice'));
    process.signal('SIGHUP');
    await process.line(/configuration reloaded/);
    const silenced = process.lines.length;
    const visit = async (): Promise<void> => {
      const client = await connectedClient(port);
      client.end();
      await once(client, 'close');
    };
    await visit();
    await writeFile(file, text.replace('debug = info', 'debug = debug'));
    process.signal('SIGHUP');
    await process.line(/configuration reloaded/, silenced);
    await visit();
    await process.line(/LOG5\[1\]: Connection closed/, silenced);
    await process.line(/LOG5\[0\]: Connection closed/, silenced);
    await process.line(/LOG6\[1\]: TLS accepted/, silenced);
    expect(process.lines.filter((line) => line.includes('LOG6[0]'))).toEqual([]);
    expect(process.lines.filter((line) => line.includes('takes effect with the next start'))).toEqual([]);
  });

  test.each([
    ['unique', /^[0-9A-Za-z]{22}$/],
    ['process', /^\d+$/],
  ])('are named by logId = %s', async (logId, form) => {
    const lines = ['foreground = yes', 'debug = info', `logId = ${logId}`];
    const name = async (program: string, file: string): Promise<Set<string>> => {
      await using process = launch(program, [file]);
      const port = await portOf(process, 'icap');
      await process.line(/Accepting new connections/);
      const client = await connectedClient(port);
      client.end();
      await process.line(/Connection closed/);
      const told = process.lines.map(
        (line) => /LOG\d\[(.*?)\]: (?:Service \[icap\] acc|Connection closed)/.exec(line)?.[1],
      );
      return new Set(told.filter((id) => id !== undefined));
    };
    const ours = await configure(`id-${logId}`, [...lines, OURS, ...section('icap')]);
    const real = await configure(`id-${logId}-real`, [...lines, ...section('icap')]);
    for (const ids of [await name(STUNNEL, real), await name(LAUNCHER, ours)]) {
      expect([...ids]).toEqual([expect.stringMatching(form)]);
    }
  });
});
