import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { spawnGateway, startGateway } from '../_util/e2e-gateway.ts';
import { ask, startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const PRIVILEGES = pathToFileURL(join(import.meta.dirname, '../../src/runtime/privileges.ts')).href;
const NOBODY = numberOf('passwd', 'nobody');
const GROUP = numberOf('group', 'nogroup');
// To become somebody else takes a superuser to start from, and accounts to become.
const reason =
  process.getuid?.() !== 0 ? 'not root' : NOBODY === undefined || GROUP === undefined ? 'no nobody' : undefined;

function numberOf(database: 'passwd' | 'group', name: string): number | undefined {
  try {
    return Number(execFileSync('getent', [database, name], { encoding: 'utf8' }).split(':')[2]);
  } catch {
    return undefined;
  }
}

let backend: TunnelBackend;
let folder: TestFolder;

beforeAll(async () => {
  folder = await createFolder();
  backend = await startTunnelBackend();
  await chmod(folder.file('.'), 0o777);
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function stunnelConf(globals: string): string {
  const { server } = certificates();
  return `
    foreground = yes
    ${globals}
    icapgw.log.format = json
    icapgw.log.level = debug
    ${globals.includes('icapgw.admin') ? '' : 'icapgw.admin.listen = 127.0.0.1:0'}
    icapgw.workers = 2
    [tunnel]
    accept = 127.0.0.1:0
    cert = ${server.cert}
    key = ${server.key}
    connect = ${backend.address}
  `;
}

/** `Uid`, `Gid` and `Groups` of every thread, each combination once: real, effective, saved and of the file system. */
function identitiesOf(pid: number): string[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const identities = tasks.map((task) => {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    return (status.match(/^(?:Uid|Gid|Groups|CapEff):.*$/gm) ?? [])
      .map((line) => line.trim().split(/\s+/).join(' '))
      .join(', ');
  });
  return [...new Set(identities)];
}

const NOBODY_ONLY = [
  `Uid: ${`${NOBODY} `.repeat(4).trim()}, Gid: ${`${GROUP} `.repeat(4).trim()}, Groups: ${GROUP}, CapEff: 0000000000000000`,
];

describe.skipIf(reason !== undefined)(`setuid and setgid${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('every thread becomes that user for good; the tunnel serves and the pid file is the user’s', async () => {
    const pidFile = folder.file('pid');
    await using gateway = await startGateway(stunnelConf(`setuid = nobody\nsetgid = nogroup\npid = ${pidFile}`));
    expect(identitiesOf(gateway.pid)).toEqual(NOBODY_ONLY);
    expect(await ask(gateway.port('tunnel'))).toBe('ping');
    expect(statSync(pidFile).uid).toBe(NOBODY);
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  });

  test('the admin socket is that user’s, who operates the gateway over it', async () => {
    const socket = folder.file('admin.sock');
    const config = stunnelConf(`setuid = nobody\nsetgid = nogroup\nicapgw.admin.listen = unix:${socket}`);
    await using gateway = await startGateway(config);
    expect(gateway.events.map(({ event }) => event)).toContain('ready');
    const { uid, gid, mode } = statSync(socket);
    expect({ uid, gid, mode: (mode & 0o777).toString(8) }).toEqual({ uid: NOBODY, gid: GROUP, mode: '600' });
  });

  test('numbers do as well as names', async () => {
    await using gateway = await startGateway(stunnelConf(`setuid = ${NOBODY}\nsetgid = ${GROUP}`));
    expect(identitiesOf(gateway.pid)).toEqual(NOBODY_ONLY);
  });

  test('a new log file belongs to the user, who opens it again after a rotation', async () => {
    const file = folder.file('log');
    const config = stunnelConf(`setuid = nobody\nsetgid = nogroup\noutput = ${file}`);
    await using gateway = spawnGateway(config);
    const read = async () => (await folder.lines('log').catch(() => [])).join('\n');
    await expect.poll(read, { timeout: 10_000 }).toContain('"ready"');
    expect(statSync(file)).toMatchObject({ uid: NOBODY, gid: GROUP });
    await rename(file, `${file}.1`);
    gateway.signal('SIGUSR1');
    await expect.poll(read).toContain('"log-reopened"');
    expect(statSync(file)).toMatchObject({ uid: NOBODY, gid: GROUP });
  });

  test('root does not write through a link in place of the log where the user may not', async () => {
    const [file, victim] = [folder.file('linked'), folder.file('victim')];
    await writeFile(victim, 'as it was', { mode: 0o600 });
    await symlink(victim, file);
    for (const more of ['', '\nlog = overwrite']) {
      await using gateway = spawnGateway(stunnelConf(`setuid = nobody\nsetgid = nogroup\noutput = ${file}${more}`));
      expect((await gateway.exited).code).toBe(1);
      expect(gateway.stderr).toContain('ICAPGW_LOG_FILE');
      expect(readFileSync(victim, 'utf8')).toBe('as it was');
    }
  });

  test.each([
    ['setuid = nosuchuser\nsetgid = nogroup', 'there is no user nosuchuser on this machine'],
    ['setuid = nobody\nsetgid = nosuchgroup', 'there is no group nosuchgroup on this machine'],
  ])('an unknown name ends the start with exit code 1: %j', async (globals, text) => {
    await using gateway = spawnGateway(stunnelConf(globals));
    expect((await gateway.exited).code).toBe(1);
    expect(`${gateway.stderr}${JSON.stringify(gateway.events)}`).toContain(text);
    expect(gateway.events.map(({ event }) => event)).not.toContain('ready');
  });

  // The compiled module in a process of its own, which is that user from the start.
  const dropAsNobody = (account: object): string => {
    const script = `import(${JSON.stringify(PRIVILEGES)}).then(({ dropPrivileges }) => {
      dropPrivileges(${JSON.stringify(account)});
      console.log('ok');
    }).catch(({ code, message }) => console.log(code, message));`;
    return execFileSync(process.execPath, ['--eval', script], {
      ...{ uid: NOBODY, gid: GROUP, cwd: '/', encoding: 'utf8' },
    });
  };

  test('a process that is that user and group already is left alone', () => {
    expect(dropAsNobody({ setuid: 'nobody', setgid: 'nogroup' })).toBe('ok\n');
  });

  test.each([{ setuid: 'root' }, { setgid: 'root' }])('nobody else may become %j', (account) => {
    expect(dropAsNobody(account)).toMatch(/^ICAPGW_PRIVILEGES .*(?:user|group) root: EPERM.*; start as root /);
  });
});
