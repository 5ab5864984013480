import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type CommandEnd, LAUNCHER, runCommand, STUNNEL } from '../_util/e2e-launcher.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

let folder: TestFolder;
beforeAll(async () => {
  folder = await createFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

/** What scripts look at: the errors, without what only icapgw adds behind. */
function errorsOf({ stderr }: CommandEnd): string[] {
  // stunnel 5.68 says this of every section without CAfile, and later versions do not.
  return stderr.split('\n').filter((line) => line.startsWith('[!]') && !line.endsWith('No trusted certificates found'));
}

/** Every error of stunnel is there in its words, in its order; more may stand behind them and between them. */
function expectErrorsOf(real: CommandEnd, ours: CommandEnd): void {
  const wanted = errorsOf(real);
  const said = errorsOf(ours);
  let from = 0;
  for (const line of wanted) {
    const found = said.findIndex((each, index) => index >= from && each.startsWith(line));
    expect(found, `${line}\nis not in\n${said.join('\n')}`).toBeGreaterThanOrEqual(from);
    from = found + 1;
  }
  expect(wanted.length).toBeGreaterThan(0);
}

describe('an argument that names no configuration', () => {
  test.for([
    [['/nonexistent/stunnel.conf']],
    [['-foo']],
    [['--help']],
    [['']],
    [['-fd']],
    [['-fd', 'x']],
    [['-fd', '']],
    [['-fd', '3x']],
    [['-fd', '-1']],
    [['-FD', '77']],
    [['/etc/passwd/x', '-version']],
  ])('ends as in stunnel: %j', async ([args = []]) => {
    const [real, ours] = await Promise.all([runCommand(STUNNEL, args), runCommand(LAUNCHER, args)]);
    expect([ours.code, ours.stdout]).toEqual([real.code, real.stdout]);
    expectErrorsOf(real, ours);
    const isTold = /^\[\.\] {5}-fd <n>/m;
    expect(isTold.test(ours.stderr)).toBe(isTold.test(real.stderr));
  });

  test.skipIf(existsSync('/etc/stunnel/stunnel.conf'))('left out, means /etc/stunnel/stunnel.conf', async () => {
    const [real, ours] = await Promise.all([runCommand(STUNNEL, []), runCommand(LAUNCHER, [])]);
    expect([ours.code, ours.stdout]).toEqual([real.code, real.stdout]);
    expectErrorsOf(real, ours);
  });
});

describe('what is printed', () => {
  test.each(['-version', '-help', '-sockets', '-options', '-HELP', '-Version'])(
    'by %s goes to standard error, and ends with 0',
    async (argument) => {
      const [real, ours] = await Promise.all([runCommand(STUNNEL, [argument]), runCommand(LAUNCHER, [argument])]);
      expect([ours.code, ours.stdout]).toEqual([real.code, real.stdout]);
      // What a script takes the version from.
      const version = /^stunnel\s+([5-9]|[1-9][0-9]*)\.\S+(\s.*)?$/m;
      expect(version.exec(ours.stderr)?.[1]).toBe(version.exec(real.stderr)?.[1]);
      expect(ours.stderr).toMatch(/^Compiled\/running with OpenSSL [0-3]\.[0-9]\.[0-9]+/m);
    },
  );

  test('by -version has the defaults of stunnel', async () => {
    const [real, ours] = await Promise.all([runCommand(STUNNEL, ['-version']), runCommand(LAUNCHER, ['-version'])]);
    const defaults = ours.stderr.split('\n').filter((line) => /^\w+ += /.test(line));
    expect(defaults.length).toBeGreaterThan(10);
    expect(real.stderr.split('\n')).toEqual(expect.arrayContaining(defaults));
  });

  test('by -help begins each line with the name of an option that stunnel has', async () => {
    const [real, ours] = await Promise.all([runCommand(STUNNEL, ['-help']), runCommand(LAUNCHER, ['-help'])]);
    const namesIn = ({ stderr }: CommandEnd): string[] =>
      [...stderr.matchAll(/^(\w+) += /gm)].map(([, name = '']) => name);
    const known = namesIn(real);
    const missing = namesIn(ours).filter((name) => !known.includes(name));
    // Options of later versions, of Windows and of Unix sockets, which this build does not print.
    for (const name of ['accept', 'connect', 'cert', 'foreground', 'verifyPeer', 'TIMEOUTclose', 'checkHost']) {
      expect(namesIn(ours)).toContain(name);
    }
    expect(missing.length).toBeLessThan(12);
  });
});

function service(): string {
  return `[svc]\naccept = 127.0.0.1:0\nconnect = 127.0.0.1:1\ncert = ${certificates().server.combined}\n`;
}

describe('a configuration that cannot be used', () => {
  test.each([
    ['an option nobody knows', 'bogus = 1'],
    ['a word that is not one of the few', 'foreground = yes\n  client = maybe'],
    ['a foreground of its own', 'foreground = maybe'],
    ['a level there is not', 'debug = 9'],
    ['a facility there is not', 'debug = nosuch.5'],
    ['a line without =', 'output'],
    ['a pid file relative to a folder that is left', 'pid = rel.pid'],
    ['a log file relative to a folder that is left', 'output = rel.log'],
    ['a log file that cannot be made', 'output = /nonexistent/x.log'],
    ['the same in the foreground', 'foreground = yes\noutput = /nonexistent/x.log'],
    ['a user that there is not', 'setuid = nosuchuser'],
    ['a group that there is not', 'foreground = yes\nsetgid = nosuchgroup'],
  ])('is refused as by stunnel: %s', async (_, lines) => {
    const file = folder.file('bad.conf');
    await writeFile(file, `${lines}\nsyslog = no\n${service()}`);
    const real = await runCommand(STUNNEL, [file], { cwd: folder.path });
    const ours = await runCommand(LAUNCHER, [file], { cwd: folder.path });
    expect([ours.code, ours.stdout]).toEqual([real.code, real.stdout]);
    expectErrorsOf(real, ours);
  });

  test('is read from a descriptor, and refused there', async () => {
    const input = `foreground = maybe\n${service()}`;
    const real = await runCommand(STUNNEL, ['-fd', '0'], { input });
    const ours = await runCommand(LAUNCHER, ['-fd', '0'], { input });
    expect([ours.code, ours.stdout]).toEqual([real.code, real.stdout]);
    expect(errorsOf(ours).at(-1)).toBe(errorsOf(real).at(-1));
    for (const { stderr } of [real, ours]) expect(stderr).toMatch(/^\[\.\] Reading configuration from descriptor 0$/m);
  });

  test.each(['yes', 'no'])('for a port that is taken ends with 1, with foreground = %s', async (foreground) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const file = folder.file('taken.conf');
    const text = service().replace('127.0.0.1:0', `127.0.0.1:${port}`);
    await writeFile(file, `foreground = ${foreground}\nsyslog = no\n${text}`);
    const real = await runCommand(STUNNEL, [file]);
    const ours = await runCommand(LAUNCHER, [file]);
    server.close();
    expect([ours.code, ours.stdout]).toEqual([real.code, real.stdout]);
    expectErrorsOf(real, ours);
    const line = `[.] Binding service [svc] to 127.0.0.1:${port}: Address already in use (98)`;
    for (const { stderr } of [real, ours]) expect(stderr.split('\n')).toContain(line);
  });

  test('does not tell a secret that stands in its lines', async () => {
    const file = folder.file('secret.conf');
    await writeFile(file, `protocolPassword = **hunter2**\nbogus = 1\n${service()}`);
    const { stderr, code } = await runCommand(LAUNCHER, [file]);
    expect(code).toBe(1);
    expect(stderr).not.toContain('hunter2');
  });
});

describe('the executable', () => {
  test('works through links, absolute and relative', async () => {
    await mkdir(folder.file('bin'));
    await symlink(LAUNCHER, folder.file('bin/stunnel4'));
    await symlink('stunnel4', folder.file('bin/stunnel'));
    const env = { ...process.env, PATH: `${folder.file('bin')}:${process.env['PATH']}` };
    const ends = await Promise.all([
      runCommand(folder.file('bin/stunnel'), ['-version']),
      runCommand('bin/stunnel', ['-version'], { cwd: folder.path }),
      runCommand('stunnel', ['-version'], { env }),
      runCommand('sh', ['-c', 'stunnel -version'], { env }),
    ]);
    for (const { code, stderr } of ends) expect([code, stderr]).toEqual([0, expect.stringContaining('icapgw')]);
  });

  test('passes over a Node.js that is too old', async () => {
    await writeFile(folder.file('old-node'), '#!/bin/sh\necho v18.19.0\n', { mode: 0o755 });
    const env = { ...process.env, ICAPGW_NODE: folder.file('old-node') };
    const { code, stderr } = await runCommand(LAUNCHER, ['-version'], { env });
    expect([code, stderr]).toEqual([0, expect.stringContaining('icapgw')]);
  });

  test('says so where no other Node.js is found', async () => {
    const root = folder.file('package');
    await mkdir(`${root}/dist`, { recursive: true });
    await mkdir(`${root}/bin`);
    await writeFile(`${root}/dist/main.js`, '');
    await mkdir(`${root}/stunnel-compat`);
    await runCommand('cp', [LAUNCHER, `${root}/stunnel-compat/stunnel`]);
    await writeFile(`${root}/bin/node`, '#!/bin/sh\necho v18.19.0\n', { mode: 0o755 });
    const env = { PATH: `${root}/bin:/usr/bin:/bin` };
    const { code, stderr } = await runCommand(`${root}/stunnel-compat/stunnel`, ['-version'], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\[!\] icapgw needs Node\.js 24 or later, and found only: \S+node \(version 18\)$/m);
    expect(stderr).toContain('ICAPGW_NODE=/path/to/node');
  });

  test('says what to do where nothing is built', async () => {
    await mkdir(folder.file('unbuilt/stunnel-compat'), { recursive: true });
    const program = folder.file('unbuilt/stunnel-compat/stunnel');
    await runCommand('cp', [LAUNCHER, program]);
    const { code, stderr } = await runCommand(program, ['-version']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('npm ci && npm run build')]);
  });
});
