import { mkdir, readFile, readlink, rename, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { greetWithOpenssl } from '../_util/e2e-client.ts';
import { backgroundProcess, LAUNCHER, runCommand, STUNNEL } from '../_util/e2e-launcher.ts';
import { openNotifySocket } from '../_util/notify-socket.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

let folder: TestFolder;
let backend: RecordingBackend;
beforeAll(async () => {
  folder = await createFolder();
  backend = await startRecordingBackend();
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const PATIENT = { timeout: 20_000 };

interface Files {
  readonly config: string;
  readonly pid: string;
  readonly log: string;
}

/** A configuration that says nothing about the foreground. */
async function configure(name: string, lines: readonly string[] = []): Promise<Files> {
  const files = {
    config: folder.file(`${name}.conf`),
    pid: folder.file(`${name}.pid`),
    log: folder.file(`${name}.log`),
  };
  const { server } = certificates();
  const text = [
    `pid = ${files.pid}`,
    `output = ${files.log}`,
    'debug = info',
    'icapgw.admin.listen = off',
    ...lines,
    '[icap]',
    'accept = 127.0.0.1:0',
    `connect = 127.0.0.1:${backend.port}`,
    `cert = ${server.combined}`,
  ];
  await writeFile(files.config, `${text.join('\n')}\n`);
  return files;
}

async function logged(file: string, fits: RegExp): Promise<RegExpExecArray> {
  return await vi.waitFor(async () => {
    const text = await readFile(file, 'utf8');
    const found = fits.exec(text);
    if (found === null) throw new Error(`nothing fits ${fits}:\n${text}`);
    return found;
  }, PATIENT);
}

describe('in the background', () => {
  test('it serves when its parent has ended with 0, and its pid file is there', async () => {
    const files = await configure('serving', ['syslog = no']);
    const { code, stdout, stderr } = await runCommand(LAUNCHER, [files.config]);
    expect([code, stdout, stderr]).toEqual([0, '', '']);
    await using daemon = backgroundProcess(files.pid);
    expect((await stat(files.pid)).mode & 0o777).toBe(0o644);
    expect((await stat(files.log)).mode & 0o777).toBe(0o640);
    const [, port] = await logged(files.log, /LOG6\[ui\]: Service \[icap\] bound to 127\.0\.0\.1:(\d+)$/m);
    const { isServed } = await greetWithOpenssl(Number(port));
    expect(isServed).toBe(true);
    await logged(files.log, /LOG6\[main\]: Accepting new connections$[\s\S]*LOG5\[0\]: Service \[icap\] accepted/m);
    daemon.signal('SIGTERM');
    await daemon.gone();
    await logged(files.log, /LOG5\[main\]: Terminated$/m);
    await expect(stat(files.pid)).rejects.toThrow('ENOENT');
  });

  test('it has left terminal, session, folder and standard streams', async () => {
    const files = await configure('alone', ['syslog = no']);
    expect((await runCommand(LAUNCHER, [files.config], { cwd: folder.path })).code).toBe(0);
    await using daemon = backgroundProcess(files.pid);
    const links = await Promise.all(['fd/0', 'fd/1', 'fd/2'].map((name) => readlink(`/proc/${daemon.pid}/${name}`)));
    expect(links).toEqual(['/dev/null', '/dev/null', '/dev/null']);
    await vi.waitFor(async () => expect(await readlink(`/proc/${daemon.pid}/cwd`)).toBe('/'), PATIENT);
    const [, , , session, terminal] = (await readFile(`/proc/${daemon.pid}/stat`, 'utf8'))
      .replace(/^.*\) /, '')
      .split(' ');
    expect([Number(session), terminal]).toEqual([daemon.pid, '0']);
    expect(await readFile(`/proc/${daemon.pid}/comm`, 'utf8')).toBe('stunnel\n');
  });

  test('it does with signals what stunnel does', async () => {
    const files = await configure('signalled', ['syslog = no']);
    expect((await runCommand(LAUNCHER, [files.config])).code).toBe(0);
    await using daemon = backgroundProcess(files.pid);
    await rename(files.log, `${files.log}.1`);
    daemon.signal('SIGUSR1');
    await logged(files.log, /^.{19} LOG5\[main\]: Log file reopened$/m);
    daemon.signal('SIGUSR2');
    await logged(files.log, /LOG0\[main\]: Active connections:\n.*Listed 0 active connection\(s\)$/m);
    daemon.signal('SIGHUP');
    await logged(
      files.log,
      /LOG5\[main\]: Reading configuration from file [\s\S]*Configuration successful\n[\s\S]*Service \[icap\] bound to 127\.0\.0\.1:\d+$/m,
    );
    await writeFile(files.config, 'bogus = 1\n', { flag: 'a' });
    daemon.signal('SIGHUP');
    await logged(
      files.log,
      /LOG3\[main\]: \/\S+:\d+: "bogus = 1": Specified option name is not valid here.*\n.*LOG3\[main\]: Configuration failed\n.*Failed to reload the configuration file$/m,
    );
    daemon.signal('SIGQUIT');
    await daemon.gone();
    await logged(files.log, /LOG3\[main\]: Received SIGQUIT; terminating$/m);
  });

  test('a log file that cannot be opened again on SIGUSR1 is told in the one before', async () => {
    const files = await configure('unopened', ['syslog = no']);
    expect((await runCommand(LAUNCHER, [files.config])).code).toBe(0);
    await using daemon = backgroundProcess(files.pid);
    await rename(files.log, `${files.log}.1`);
    await mkdir(files.log);
    daemon.signal('SIGUSR1');
    await logged(`${files.log}.1`, /LOG3\[main\]: Cannot open log file: \S+unopened\.log: EISDIR/m);
  });

  test.each([
    ['stunnel', STUNNEL],
    ['icapgw', LAUNCHER],
  ])('SIGHUP takes the log of %s to another file', async (name, program) => {
    const files = await configure(`moving-${name}`, ['syslog = no']);
    const config = await readFile(files.config, 'utf8');
    const write = (output: string): Promise<void> =>
      writeFile(files.config, config.replace(files.log, output).replace(name === 'icapgw' ? '' : /^icapgw.*\n/m, ''));
    await write(files.log);
    expect((await runCommand(program, [files.config])).code).toBe(0);
    await logged(files.log, /Accepting new connections$/m);
    // stunnel writes its pid file when its parent has ended.
    await vi.waitFor(() => stat(files.pid), PATIENT);
    await using daemon = backgroundProcess(files.pid);
    await write(`${files.log}.new`);
    daemon.signal('SIGHUP');
    await logged(`${files.log}.new`, /^.{19} LOG6\[main\]: Service \[icap\] .*bound to 127\.0\.0\.1:\d+$/m);
    const before = await readFile(files.log, 'utf8');
    expect(before).toMatch(/LOG5\[main\]: Configuration successful\n/);
    expect(before.match(/ bound to /g)).toHaveLength(1);
    await write('/nonexistent/log');
    daemon.signal('SIGHUP');
    if (name === 'icapgw') {
      await logged(`${files.log}.new`, /Cannot open log file: \/nonexistent\/log: .*\n[\s\S]* bound to /m);
    }
    await write(`${files.log}.last`);
    daemon.signal('SIGHUP');
    await logged(`${files.log}.last`, / bound to /m);
    daemon.signal('SIGTERM');
    await daemon.gone();
    expect(await readFile(`${files.log}.last`, 'utf8')).toMatch(/LOG5\[main\]: Terminated\n/);
  });

  test('it starts from a configuration that comes through a descriptor', async () => {
    const files = await configure('descriptor', ['syslog = no']);
    const input = await readFile(files.config, 'utf8');
    const { code, stderr } = await runCommand(LAUNCHER, ['-fd', '0'], { input });
    expect([code, stderr]).toEqual([0, '']);
    await using daemon = backgroundProcess(files.pid);
    await logged(files.log, /LOG5\[ui\]: Reading configuration from descriptor 0$/m);
    daemon.signal('SIGHUP');
    await logged(files.log, /LOG3\[main\]: Failed to reload the configuration file$/m);
    expect(daemon.pid).toBeGreaterThan(1);
  });

  test('its parent waits for the pid file, and ends with 1 where none can be written', async () => {
    const files = await configure('nowhere', ['syslog = no']);
    const text = (await readFile(files.config, 'utf8')).replace(files.pid, '/nonexistent/stunnel.pid');
    await writeFile(files.config, text);
    const { code, stderr } = await runCommand(LAUNCHER, [files.config]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      '[!] Cannot create pid file /nonexistent/stunnel.pid\n[!] create: No such file or directory (2)\n',
    );
  });

  test('it leaves the pid file of its successor alone', async () => {
    const files = await configure('succeeded', ['syslog = no']);
    expect((await runCommand(LAUNCHER, [files.config])).code).toBe(0);
    await using daemon = backgroundProcess(files.pid);
    await writeFile(files.pid, '1\n');
    daemon.signal('SIGTERM');
    await daemon.gone();
    expect(await readFile(files.pid, 'utf8')).toBe('1\n');
  });

  test('the process is to be seen as one of stunnel is', async () => {
    const ours = await configure('same-ours', ['syslog = no']);
    const real = await configure('same-real', ['syslog = no']);
    const text = await readFile(real.config, 'utf8');
    await writeFile(real.config, text.replace(/^icapgw.*\n/m, ''));
    const ends = [await runCommand(STUNNEL, [real.config]), await runCommand(LAUNCHER, [ours.config])];
    expect(ends[1]).toEqual(ends[0]);
    // stunnel writes its pid file when its parent has ended.
    await vi.waitFor(() => stat(real.pid), PATIENT);
    await using theirs = backgroundProcess(real.pid);
    await using daemon = backgroundProcess(ours.pid);
    const seen = async (pid: number, files: Files) => ({
      streams: await Promise.all(['fd/0', 'fd/1', 'fd/2'].map((name) => readlink(`/proc/${pid}/${name}`))),
      cwd: await vi.waitFor(async () => {
        const cwd = await readlink(`/proc/${pid}/cwd`);
        if (cwd !== '/') throw new Error(`still in ${cwd}`);
        return cwd;
      }, PATIENT),
      pidMode: (await stat(files.pid)).mode,
      logMode: (await stat(files.log)).mode,
    });
    expect(await seen(daemon.pid, ours)).toEqual(await seen(theirs.pid, real));
  });
});

describe('syslog', () => {
  test('gets the lines without their time where nothing else is asked for', async () => {
    await using socket = await openNotifySocket();
    const files = await configure('syslog', [
      'debug = local0.info',
      'service = mcas-tunnel',
      `icapgw.log.syslog.socket = ${socket.path}`,
    ]);
    const text = await readFile(files.config, 'utf8');
    await writeFile(files.config, text.replace(/^output.*\n/m, ''));
    const { code, stderr } = await runCommand(LAUNCHER, [files.config]);
    expect([code, stderr]).toEqual([0, '']);
    await using daemon = backgroundProcess(files.pid);
    // local0 is 16: 16 * 8 + 6 = 134.
    expect(await socket.waitFor(/bound to/)).toMatch(
      /^<134>\w{3} [ \d]\d \d\d:\d\d:\d\d mcas-tunnel: LOG6\[ui\]: Service \[icap\] bound to 127\.0\.0\.1:\d+$/,
    );
    await socket.waitFor(/mcas-tunnel: LOG6\[main\]: Accepting new connections$/);
    daemon.signal('SIGTERM');
    await daemon.gone();
    await socket.waitFor(/^<133>.* mcas-tunnel: LOG5\[main\]: Terminated$/);
  });

  test('that is not there is told by the parent where there is no other log', async () => {
    const files = await configure('no-syslog', [`icapgw.log.syslog.socket = ${folder.file('nobody')}`]);
    const text = await readFile(files.config, 'utf8');
    await writeFile(files.config, text.replace(/^output.*\n/m, ''));
    const { code, stderr } = await runCommand(LAUNCHER, [files.config]);
    await using _daemon = backgroundProcess(files.pid);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^icapgw: syslog cannot be reached: .*No such file or directory$/m);
  });
});
