import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';

const ROOT = join(import.meta.dirname, '../..');
const SCRIPT = join(ROOT, 'deploy/debian/icapgw-stunnel4');
const LOGROTATE = join(ROOT, 'deploy/debian/logrotate');

interface Answer {
  readonly code: number | null;
  readonly said: string;
}

/** A machine's /etc/stunnel and /etc/default/stunnel4 in a folder; what was started from there ends with it. */
class Machine implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'icapgw-debian-'));

  constructor(defaults: string) {
    writeFileSync(this.file('defaults'), defaults.replaceAll('@', this.folder));
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  /** Writes NAME.conf with a tunnel to nowhere, and what is to stand before it. */
  configure(name: string, globals = `pid = ${this.file(name)}.pid`): void {
    const { server } = certificates();
    const lines = [
      globals,
      `output = ${this.file(name)}.log`,
      'syslog = no',
      `[${name}]`,
      'accept = 127.0.0.1:0',
      'connect = 127.0.0.1:1',
      `cert = ${server.cert}`,
      `key = ${server.key}`,
    ];
    writeFileSync(this.file(`${name}.conf`), `${lines.join('\n')}\n`);
  }

  do(...args: readonly string[]): Answer {
    return this.#run(SCRIPT, args);
  }

  /** As somebody else than root. */
  doAsNobody(...args: readonly string[]): Answer {
    return this.#run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', SCRIPT, ...args]);
  }

  #run(program: string, args: readonly string[]): Answer {
    const { status, stdout, stderr } = spawnSync(program, args, {
      encoding: 'utf8',
      env: {
        ...process.env,
        ICAPGW_STUNNEL_DEFAULTS: this.file('defaults'),
        ICAPGW_STUNNEL_FOLDER: this.folder,
        ICAPGW_STUNNEL_SYSTEMD: '',
      },
    });
    return { code: status, said: `${stdout}${stderr}`.replaceAll(`${this.folder}/`, '') };
  }

  pidOf(name: string): number {
    return Number(readFileSync(`${this.file(name)}.pid`, 'utf8'));
  }

  logOf(name: string): string {
    return readFileSync(`${this.file(name)}.log`, 'utf8');
  }

  [Symbol.dispose](): void {
    this.do('stop');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// The script is the same for both, so that what holds of stunnel holds of what takes its place.
describe.each([
  ['icapgw', ''],
  ['stunnel', 'DAEMON=/usr/bin/stunnel4\n'],
])('the script of Debian with %s', (_, daemon) => {
  test('starts each file, tells how it is, and stops it', () => {
    using machine = new Machine(`FILES="@/a.conf @/b*.conf @/missing.conf"\n${daemon}`);
    machine.configure('a');
    machine.configure('b1');
    expect(machine.do('status')).toEqual({ code: 3, said: 'a.conf: not running\nb1.conf: not running\n' });
    expect(machine.do('start')).toEqual({ code: 0, said: 'a.conf: started\nb1.conf: started\n' });
    const running = `a.conf: running as process ${machine.pidOf('a')}\nb1.conf: running as process ${machine.pidOf('b1')}\n`;
    expect(machine.do('status')).toEqual({ code: 0, said: running });
    expect(machine.do('start')).toEqual({ code: 0, said: 'a.conf: already running\nb1.conf: already running\n' });
    expect(machine.do('stop', 'a')).toEqual({ code: 0, said: 'a.conf: stopped\n' });
    expect(machine.do('status').code).toBe(3);
    expect(machine.do('stop')).toEqual({ code: 0, said: 'a.conf: not running\nb1.conf: stopped\n' });
  });

  test('finds what it started by a link to the file', () => {
    using machine = new Machine(`FILES="@/enabled/*.conf"\n${daemon}`);
    machine.configure('a');
    mkdirSync(machine.file('enabled'));
    symlinkSync('../a.conf', machine.file('enabled/a.conf'));
    expect(machine.do('start')).toEqual({ code: 0, said: 'enabled/a.conf: started\n' });
    expect(machine.do('status').said).toContain(`running as process ${machine.pidOf('a')}`);
    expect(machine.do('stop')).toEqual({ code: 0, said: 'enabled/a.conf: stopped\n' });
  });

  test('goes on with the others when one cannot start, and says so in its exit code', () => {
    using machine = new Machine(`FILES="@/*.conf"\n${daemon}`);
    machine.configure('a', 'bogus = 1');
    machine.configure('b');
    const { code, said } = machine.do('start');
    expect(code).toBe(1);
    expect(said).toMatch(/^a\.conf: failed to start \(exit code 1\)$/m);
    expect(said).toMatch(/^b\.conf: started$/m);
  });

  test('restarts into another process, and only what runs where that is asked', () => {
    using machine = new Machine(`FILES="@/*.conf"\n${daemon}`);
    machine.configure('a');
    expect(machine.do('try-restart')).toEqual({ code: 0, said: 'a.conf: not running\n' });
    expect(machine.do('restart')).toEqual({ code: 0, said: 'a.conf: not running\na.conf: started\n' });
    const before = machine.pidOf('a');
    expect(machine.do('try-restart')).toEqual({ code: 0, said: 'a.conf: stopped\na.conf: started\n' });
    expect(machine.pidOf('a')).not.toBe(before);
  });

  test('has the configuration read again, and the log files opened again for logrotate', async () => {
    using machine = new Machine(`FILES="@/*.conf"\n${daemon}`);
    machine.configure('a');
    expect(machine.do('reload')).toEqual({ code: 7, said: 'a.conf: not running\n' });
    machine.do('start');
    expect(machine.do('reload').code).toBe(0);
    const reloads = () => machine.logOf('a').match(/Configuration successful/g) ?? [];
    await vi.waitFor(() => expect(reloads()).toHaveLength(2), { timeout: 10_000 });

    const rules = readFileSync(LOGROTATE, 'utf8')
      .replace('/var/log/stunnel4/', `${machine.folder}/`)
      .replace('create 640 stunnel4 stunnel4', 'nocreate')
      .replace(
        '/usr/local/sbin/',
        `ICAPGW_STUNNEL_SYSTEMD= ICAPGW_STUNNEL_DEFAULTS=${machine.file('defaults')} ${SCRIPT.slice(0, -'icapgw-stunnel4'.length)}`,
      );
    writeFileSync(machine.file('rules'), rules, { mode: 0o644 });
    execFileSync('logrotate', ['--force', '--state', machine.file('state'), machine.file('rules')], { stdio: 'pipe' });
    await vi.waitFor(() => expect(machine.logOf('a')).toContain('Log file reopened'), { timeout: 10_000 });
    expect(readFileSync(`${machine.file('a')}.log.1`, 'utf8')).toContain('Configuration successful');
  });

  test('touches no process that only has the number of one that died', () => {
    using machine = new Machine(`FILES="@/*.conf"\n${daemon}`);
    machine.configure('a');
    writeFileSync(`${machine.file('a')}.pid`, `${process.pid}\n`);
    expect(machine.do('stop')).toEqual({ code: 0, said: 'a.conf: not running\n' });
    expect(machine.do('start')).toEqual({ code: 0, said: 'a.conf: started\n' });
    expect(machine.pidOf('a')).not.toBe(process.pid);
  });
});

describe('the script of Debian', () => {
  test.skipIf(process.getuid?.() !== 0)('tells who is not root how it is, and that it may not stop it', () => {
    using machine = new Machine('FILES="@/*.conf"\n');
    chmodSync(machine.folder, 0o755);
    machine.configure('a');
    machine.do('start');
    const pid = machine.pidOf('a');
    expect(machine.doAsNobody('status')).toEqual({ code: 0, said: `a.conf: running as process ${pid}\n` });
    expect(machine.doAsNobody('stop')).toEqual({ code: 1, said: `a.conf: not permitted to stop process ${pid}\n` });
    expect(machine.do('stop')).toEqual({ code: 0, said: 'a.conf: stopped\n' });
  });

  test('finds the pid file as it is written: with blanks, in any case, in a file from Windows, before the first section', () => {
    using machine = new Machine('FILES="@/*.conf"\n');
    machine.configure('a', `; pid = /nowhere\r\npid = /replaced\r\n  PID\t=  ${machine.file('b c.pid')} \r\n`);
    writeFileSync(machine.file('a.conf'), `${readFileSync(machine.file('a.conf'), 'utf8')}\n`);
    expect(machine.do('start').said).toBe('a.conf: started\n');
    expect(existsSync(machine.file('b c.pid'))).toBe(true);
    expect(machine.do('stop').said).toBe('a.conf: stopped\n');
  });

  test('says that it cannot find what has no pid file', () => {
    using machine = new Machine('FILES="@/*.conf"\n');
    machine.configure('a', '');
    expect(machine.do('status')).toEqual({ code: 4, said: expect.stringContaining('no pid file: add a line "pid = ') });
    expect(machine.do('reload').code).toBe(7);
  });

  test('starts nothing where ENABLED is 0, and stops nevertheless', () => {
    using machine = new Machine('ENABLED=0\nFILES="@/*.conf"\n');
    machine.configure('a');
    expect(machine.do('start')).toEqual({ code: 0, said: expect.stringContaining('ENABLED=0') });
    expect(existsSync(`${machine.file('a')}.pid`)).toBe(false);
    expect(machine.do('stop').code).toBe(0);
    expect(machine.do('start', 'a').said).toBe('a.conf: started\n');
  });

  test('says that a program did not stay', () => {
    using machine = new Machine('FILES="@/*.conf"\nDAEMON=/bin/true\n');
    machine.configure('a');
    expect(machine.do('start')).toEqual({ code: 1, said: expect.stringContaining('has written no pid file') });
  });

  test('passes OPTIONS on, sets RLIMITS, and names a program that is missing', () => {
    using machine = new Machine('FILES="@/*.conf"\nRLIMITS="-n 512"\nOPTIONS="-x y"\nDAEMON=@/daemon\n');
    machine.configure('a', '');
    expect(machine.do('start')).toEqual({ code: 5, said: expect.stringContaining('daemon is missing') });
    writeFileSync(machine.file('daemon'), `#!/bin/sh\necho "$*" "$(ulimit -n)" >${machine.file('said')}\n`, {
      mode: 0o755,
    });
    machine.do('start');
    expect(readFileSync(machine.file('said'), 'utf8')).toBe(`${machine.file('a.conf')} -x y 512\n`);
  });

  test.each([
    [['frobnicate'], 2, 'Usage:'],
    [[], 2, 'Usage:'],
    [['start', 'nobody'], 6, 'nobody.conf does not exist'],
  ])('%j is refused', (args, code, text) => {
    using machine = new Machine('FILES="@/*.conf"\n');
    expect(machine.do(...args)).toEqual({ code, said: expect.stringContaining(text) });
  });

  test('works through a link from where Debian has scripts', () => {
    using machine = new Machine('FILES="@/*.conf"\n');
    machine.configure('a');
    mkdirSync(machine.file('init.d'));
    execFileSync('ln', ['-s', SCRIPT, machine.file('init.d/stunnel4')]);
    const env = { ...process.env, ICAPGW_STUNNEL_DEFAULTS: machine.file('defaults'), ICAPGW_STUNNEL_SYSTEMD: '' };
    expect(spawnSync(machine.file('init.d/stunnel4'), ['start'], { env, encoding: 'utf8' }).stdout).toMatch(
      /: started\n$/,
    );
  });

  // Pretended: a systemctl that says what it is asked for.
  test('steers units where systemd runs', () => {
    using machine = new Machine('FILES="@/*.conf"\n');
    machine.configure('a');
    writeFileSync(machine.file('systemctl'), '#!/bin/sh\necho "systemctl $*"\n', { mode: 0o755 });
    const ask = (...args: readonly string[]) =>
      spawnSync(SCRIPT, args, {
        encoding: 'utf8',
        env: {
          PATH: `${machine.folder}:${process.env['PATH']}`,
          ICAPGW_STUNNEL_DEFAULTS: machine.file('defaults'),
          ICAPGW_STUNNEL_SYSTEMD: '1',
        },
      }).stdout.split('\n')[0];
    expect(['start', 'reload', 'reopen-logs', 'status', 'try-restart'].map((action) => ask(action))).toEqual([
      'systemctl start icapgw-stunnel@a.service',
      'systemctl reload icapgw-stunnel@a.service',
      'systemctl kill --signal=USR1 --kill-who=main icapgw-stunnel@a.service',
      'systemctl --quiet is-active icapgw-stunnel@a.service',
      'systemctl try-restart icapgw-stunnel@a.service',
    ]);
  });
});
