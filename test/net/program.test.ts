import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { inheritedEnvironment, type Program, type ProgramEnd, startProgram } from '../../src/net/program.ts';
import { createSocketPair } from '../../src/net/socket-pair.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

const AWAKE = Promise.resolve();

async function start(program: string, ...args: readonly string[]): Promise<Program> {
  const launch = { facts: { REMOTE_HOST: '192.0.2.1' }, awake: AWAKE };
  const started = await startProgram({ kind: 'exec', program, args }, launch, {
    onread: undefined,
    isWanted: () => true,
  });
  if (started === undefined) throw new Error('it was wanted');
  return started;
}

function shell(script: string): Promise<Program> {
  return start('/bin/sh', 'sh', '-c', script);
}

function endOf(program: Program): Promise<ProgramEnd> {
  return new Promise((resolve) => program.whenEnded(resolve));
}

/** Somebody who says something to whoever listens there; resolves when the connection is gone. */
function visit(name: string): Promise<void> {
  const stranger = connect(`\0${name}`);
  stranger.on('error', () => {});
  stranger.write(Buffer.alloc(64));
  stranger.resume();
  return new Promise((resolve) => stranger.once('close', () => resolve()));
}

describe.skipIf(process.platform !== 'linux')('a socket pair', () => {
  test('is not shared with whoever finds its name first', async () => {
    const making = createSocketPair({});
    // Pairs of other processes are among them.
    const names = readFileSync('/proc/net/unix', 'utf8').match(/(?<=@)icapgw-[0-9a-f]{32}$/gm) ?? [];
    const strangers = names.map((name) => visit(name));
    const { ours, theirs } = await making;
    expect(names).not.toEqual([]);
    await Promise.all(strangers);
    theirs.write('to us');
    expect(String((await once(ours, 'data'))[0])).toBe('to us');
    ours.end('to them');
    expect(await text(theirs)).toBe('to them');
  });
});

describe('a program', () => {
  test('reads and writes one socket, and goes on writing when nothing more comes', async () => {
    const program = await shell('cat; echo " and on"; exit 3');
    program.socket.end('in');
    expect(await text(program.socket)).toBe('in and on\n');
    expect(await endOf(program)).toEqual({ exitCode: 3, signal: undefined });
    expect(await endOf(program)).toEqual({ exitCode: 3, signal: undefined });
  });

  test('may answer over its standard input', async () => {
    const program = await shell('echo over 0 >&0');
    expect(await text(program.socket)).toBe('over 0\n');
  });

  test('is called what its first argument says, and gets the others as they are', async () => {
    const program = await start(
      '/bin/sh',
      'other',
      '-c',
      'printf "%s|" "$0" "$@"; read -r line',
      'zero',
      'a  b',
      '$HOME',
    );
    program.socket.end('\n');
    expect(await text(program.socket)).toBe('zero|a  b|$HOME|');
    const named = await start('/bin/sh', 'other', '-c', 'tr "\\0" "|" < /proc/$$/cmdline | cut -c1-8');
    expect(await text(named.socket)).toBe('other|-c\n');
  });

  test('knows who is connected, and nothing of what is ours', async () => {
    process.env['ICAPGW_SECRET_OF_TEST'] = 'x';
    process.env['REMOTE_HOST'] = 'forged';
    try {
      const program = await shell('env');
      const lines = (await text(program.socket)).split('\n');
      expect(lines).toContain('REMOTE_HOST=192.0.2.1');
      expect(lines).toContain(`PATH=${process.env['PATH']}`);
      expect(lines.filter((line) => /^ICAPGW_|forged/.test(line))).toEqual([]);
    } finally {
      delete process.env['ICAPGW_SECRET_OF_TEST'];
      delete process.env['REMOTE_HOST'];
    }
  });

  test('inherits no variables of the service manager, nor those that only a client gives', () => {
    const own = { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '1', LISTEN_FDS: '1', CREDENTIALS_DIRECTORY: '/run/c' };
    const ofClient = { REMOTE_PORT: '1', SSL_CLIENT_DN: 'CN=root', SSL_CLIENT_I_DN: 'CN=ca' };
    expect(inheritedEnvironment({ ...own, ...ofClient, ICAPGW_ADMIN: 'x', LANG: 'C' })).toEqual({ LANG: 'C' });
  });

  test('that is not there, or may not be executed, is not started', async () => {
    await expect(start('/nonexistent/program')).rejects.toMatchObject({ code: 'ENOENT' });
    using folder = createConfigFolder({ data: '#!/bin/sh\n' });
    chmodSync(join(folder.path, 'data'), 0o644);
    await expect(start(join(folder.path, 'data'))).rejects.toMatchObject({ code: 'EACCES' });
  });

  test('waits until programs may run, and is not started when nobody wants it by then', async () => {
    const { promise: awake, resolve } = Promise.withResolvers<void>();
    let isWanted = true;
    const started = startProgram(
      { kind: 'exec', program: '/nonexistent/program', args: [] },
      { facts: {}, awake },
      { onread: undefined, isWanted: () => isWanted },
    );
    isWanted = false;
    resolve();
    expect(await started).toBeUndefined();
  });

  test('is ended with what it has started', async () => {
    const program = await shell('sleep 1000 & sleep 1000');
    program.stop();
    expect(await endOf(program)).toEqual({ exitCode: undefined, signal: 'SIGTERM' });
    // Both of the others held the socket.
    await text(program.socket);
  });

  test('that does not listen to SIGTERM is killed', async () => {
    const program = await shell('trap "" TERM; echo ready; while :; do sleep 1000; done');
    await once(program.socket, 'data');
    program.stop();
    program.stop();
    expect(await endOf(program)).toEqual({ exitCode: undefined, signal: 'SIGKILL' });
  });
});
