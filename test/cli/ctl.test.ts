import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { addCtlCommand } from '../../src/cli/ctl.ts';
import { startAdmin } from '../../src/observe/admin.ts';
import type { Control } from '../../src/observe/control.ts';
import { type CliRecord, runCli } from '../_util/cli-recorder.ts';
import { createControl, createSources, SNAPSHOT } from '../_util/observe-http.ts';
import { createFolder, createLog } from '../_util/observe-log.ts';

const TOKEN = 'a-token-of-more-than-16-characters';

interface Rig extends AsyncDisposable {
  readonly address: string;
  /** What the control was told, in order. */
  readonly told: readonly string[];
  ctl(...args: readonly string[]): Promise<CliRecord>;
}

interface RigOptions {
  readonly token?: string;
  readonly change?: Partial<Control>;
  readonly isTTY?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

async function start({ token, change, isTTY = false, env = {} }: RigOptions = {}): Promise<Rig> {
  const file = await createLog();
  const told: string[] = [];
  const admin = await startAdmin({
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    explicit: true,
    token,
    sources: createSources({ control: createControl(told, change) }),
    log: file.log,
  });
  if (admin === undefined) throw new Error('not started');
  return {
    address: admin.address,
    told,
    ctl: (...args) =>
      runCli(['ctl', ...args], addCtlCommand, { cwd: '/', isTTY, env: { ICAPGW_ADMIN: admin.address, ...env } }),
    async [Symbol.asyncDispose]() {
      await admin[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

describe('ctl status', () => {
  test('prints services, backends, verdicts, certificates and what happened, in columns', async () => {
    await using rig = await start();
    const { stdout, stderr, exitCode } = await rig.ctl('status');
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect(stdout).toBe(
      [
        'icapgw 1.2.3 is ready, running for 1 min 46 s, 2 workers, 1 blocked',
        '',
        'mcas, tunnel on 127.0.0.1:11344',
        '  connections: 3 open, 9 accepted, 1 rejected, 2 failed handshakes',
        '  handshakes: none in the last minute',
        '  BACKEND  STATE  FOR         WEIGHT  IN USE  IDLE  WHY',
        '  dlp-1    down   1 min 45 s       1       0     0  <b>3 checks failed</b>',
        '',
        'web, icap behind mcas, as web.example, *.web.example',
        '  connections: 0 open, 1 accepted, 0 rejected, 0 failed handshakes',
        '  verdicts in the last minute: 7 allowed, 0 modified, 1 blocked, 0 bypassed, 0 error, 0 aborted',
        '  verdicts since the start: 71 allowed, 0 modified, 5 blocked, 6 bypassed, 0 error, 0 aborted',
        '  requests: 4 waiting, 8 in the last minute: half within 2.5 ms, 95 % within 40 ms, 99 % within 90 ms',
        '  handshakes: 3 in the last minute: half within 1.5 ms, 95 % within 4 ms, 99 % within 9 ms',
        '  BACKEND  STATE  FOR         WEIGHT  IN USE  IDLE  WHY',
        '  av-1     up     1 min 45 s       3       8     9  the last check succeeded',
        '',
        'certificates',
        '  SERVICE  KIND       LEFT      SUBJECT',
        '  web      server     12 days   CN=gw',
        '  web      client-ca  365 days  CN=CA',
        '',
        'recently',
        '  2026-11-20 23:30:59 UTC  TLS handshake with 192.0.2.9:40820 failed: it sent no certificate (3 times)',
        '  2026-11-20 23:30:00 UTC  backend dlp-1 is down, was up: 3 probes in a row failed',
        '',
      ].join('\n'),
    );
  });

  test('is coloured on a terminal only, with the columns where they were', async () => {
    await using rig = await start({ isTTY: true });
    const { stdout } = await rig.ctl('status');
    expect(stdout).toContain('\u001b[31mdown\u001b[39m   1 min 45 s');
    await using plain = await start({ isTTY: true, env: { NO_COLOR: '1' } });
    expect((await plain.ctl('status')).stdout).not.toContain('\u001b');
  });

  test('prints with --json what the endpoint answers', async () => {
    await using rig = await start();
    const { stdout } = await rig.ctl('status', '--json');
    expect(JSON.parse(stdout)).toEqual(SNAPSHOT);
  });
});

test('ctl connections lists who is connected and what is going on', async () => {
  await using rig = await start();
  expect((await rig.ctl('connections')).stdout.split('\n')).toEqual([
    'NUMBER  SERVICE  CLIENT           OPEN FOR   TLS      BACKEND  DOES            RECEIVED  SENT  SUBJECT',
    '     7  web      192.0.2.1:40820  1 min 5 s  TLSv1.3  av-1     REQMOD /reqmod  2.0 KiB   10 B  O=Test, CN=client1',
    '    12  mcas     192.0.2.2:40821  1 s        -        -        handshake       0 B       0 B   -',
    '',
  ]);
  await using idle = await start({ change: { connections: async () => ({ total: 0, connections: [] }) } });
  expect((await idle.ctl('connections')).stdout).toBe('no client is connected\n');
});

test('ctl blocked prints a line for each entry, address first, and how the relay is doing', async () => {
  await using rig = await start();
  expect((await rig.ctl('blocked')).stdout.split('\n')).toEqual([
    'ADDRESS        UNTIL                    SOURCE     FINDINGS  RELAY    ENGINES  FOR',
    '198.51.100.0   2026-11-21 00:30:00 UTC  guardduty         3  pending  1 of 2   UnauthorizedAccess:EC2/SSHBruteForce',
    '2001:db8::/32  unblocked                manual            0  off      -        -',
    'queue: embedded, 1 wait, the oldest for 1 min 5 s',
    'SMC: not up, API 6.10, last success 2026-11-20 23:30:02 UTC, it answered 503',
    '',
  ]);
  const queue = { type: 'rabbitmq', depth: 0, oldestSeconds: 0, trouble: 'connect ECONNREFUSED 192.0.2.1:5672' };
  await using stuck = await start({ change: { blockedReport: () => ({ entries: [], queue, smc: null }) } });
  expect((await stuck.ctl('blocked')).stdout).toBe(
    'nobody is blocked\nqueue: rabbitmq, nothing waits; findings cannot be kept: connect ECONNREFUSED 192.0.2.1:5672\n',
  );
  const nobody = { entries: [], queue: null, smc: null };
  await using idle = await start({ change: { blockedReport: () => nobody } });
  expect((await idle.ctl('blocked')).stdout).toBe('nobody is blocked\n');
});

describe('what is done', () => {
  test.each([
    [
      ['drain', 'web/av-1'],
      'web av-1 drain',
      'web/av-1 takes no new connections; those it has may finish (icapgw ctl ready',
    ],
    [['maint', 'web/av-1'], 'web av-1 maint', 'web/av-1 takes no new connections, and is not checked either'],
    [['ready', 'web/av-1'], 'web av-1 ready', 'web/av-1 takes connections again'],
    [['weight', 'web/av-1', '9'], 'web av-1 9', 'web/av-1 has weight 9'],
    [['block', '192.0.2.1'], 'block 192.0.2.1 undefined', '192.0.2.1 is blocked until it is unblocked'],
    [['block', '192.0.2.1', '--for', '10m'], 'block 192.0.2.1 600000', '192.0.2.1 is blocked until 2026-11-20T23:41'],
    [['unblock', '192.0.2.1'], 'unblock 192.0.2.1', '192.0.2.1 is no longer blocked'],
  ])('by %j is said', async (args, told, said) => {
    await using rig = await start();
    const { stdout, exitCode } = await rig.ctl(...args);
    expect([rig.told, exitCode]).toEqual([[told], 0]);
    expect(stdout).toContain(said);
  });

  test('is one line of JSON with --json', async () => {
    await using rig = await start();
    expect((await rig.ctl('drain', 'web/av-1', '--json')).stdout).toBe(
      '{"service":"web","backend":"av-1","set":"drain"}\n',
    );
  });

  test('a reload that failed tells every problem', async () => {
    await using done = await start();
    expect(await done.ctl('reload')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('in force') });
    const problems = ['icapgw.yaml:3: error: one', 'icapgw.yaml:9: error: \u001b[2Jtwo'];
    await using rig = await start({ change: { reload: async () => ({ ok: false, problems }) } });
    expect(await rig.ctl('reload')).toEqual({
      stdout: '',
      stderr:
        'icapgw: the configuration was not taken; the one before stays in force\n' +
        '  icapgw.yaml:3: error: one\n  icapgw.yaml:9: error: \\u{1b}[2Jtwo\n',
      exitCode: 1,
    });
  });

  test('on what does not exist ends with 1 and names it', async () => {
    await using rig = await start();
    expect(await rig.ctl('drain', 'web/none')).toEqual({
      stdout: '',
      stderr: 'icapgw: there is no none\n',
      exitCode: 1,
    });
  });
});

describe('wrong usage', () => {
  test.each([
    [['drain', 'web'], 'SERVICE/BACKEND'],
    [['drain', '/av-1'], 'SERVICE/BACKEND'],
    [['block', '192.0.2.1', '--for', '10'], '10m, 2h or 7d'],
    [['block', '192.0.2.1', '--for', '999d'], 'up to 366d'],
    [['status', '--watch', '0'], 'number of seconds'],
    [['status', '--admin', 'nonsense'], '--admin must be HOST:PORT'],
    [['status', '--admin', 'https://127.0.0.1:9344'], '--admin must be HOST:PORT'],
    [['destroy'], 'unknown command'],
  ])('as %j ends with 2', async (args, said) => {
    await using rig = await start();
    const { stderr, exitCode } = await rig.ctl(...args);
    expect([exitCode, rig.told]).toEqual([2, []]);
    expect(stderr).toContain(said);
  });
});

describe('the token', () => {
  test('is read from a file, named by an option or by the environment', async () => {
    await using folder = await createFolder();
    await writeFile(folder.file('token'), `${TOKEN}\n`);
    await using rig = await start({ token: TOKEN });
    expect(await rig.ctl('--token-file', folder.file('token'), 'drain', 'web/av-1')).toMatchObject({ exitCode: 0 });
    await using other = await start({ token: TOKEN, env: { ICAPGW_TOKEN_FILE: folder.file('token') } });
    expect(await other.ctl('drain', 'web/av-1')).toMatchObject({ exitCode: 0 });
  });

  test('that is missing or wrong is asked for', async () => {
    await using folder = await createFolder();
    await writeFile(folder.file('token'), 'another-token-of-16-characters');
    await using rig = await start({ token: TOKEN });
    expect((await rig.ctl('status')).stderr).toContain('say --token-file FILE');
    const wrong = await rig.ctl('status', '--token-file', folder.file('token'));
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      1,
      expect.stringContaining(`${folder.file('token')} does not hold it`),
    ]);
    const gone = await rig.ctl('status', '--token-file', folder.file('gone'));
    expect([gone.exitCode, gone.stderr]).toEqual([1, expect.stringContaining('the token file cannot be read: ENOENT')]);
  });
});

describe('an endpoint', () => {
  test('is that of --admin, else that of the environment', async () => {
    await using asked = await start();
    const run = (env: Record<string, string>, ...args: readonly string[]): ReturnType<typeof runCli> =>
      runCli(['ctl', ...args, 'blocked'], addCtlCommand, { cwd: '/', env });
    const elsewhere = { ICAPGW_ADMIN: 'unix:/nonexistent/admin.sock' };
    expect(await run(elsewhere, '--admin', asked.address)).toMatchObject({ exitCode: 0 });
    expect(await run({ ICAPGW_ADMIN: asked.address })).toMatchObject({ exitCode: 0 });
    expect(await run(elsewhere)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('/nonexistent/admin.sock'),
    });
  });

  test('where nobody listens is named, with what to do', async () => {
    let address: string;
    {
      await using gone = await start();
      address = gone.address;
    }
    const { stderr, exitCode } = await runCli(['ctl', 'status'], addCtlCommand, {
      cwd: '/',
      env: { ICAPGW_ADMIN: address },
    });
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      `icapgw: nobody listens at ${address}: is icapgw running? If it is, say where its admin.listen is with --admin ADDRESS or ICAPGW_ADMIN\n`,
    );
  });

  test('may be a unix socket', async () => {
    await using folder = await createFolder();
    await using file = await createLog();
    const path = folder.file('admin.sock');
    const missing = await runCli(['ctl', '--admin', `unix:${path}`, 'status'], addCtlCommand, { cwd: '/' });
    expect(missing.stderr).toContain('there is no socket at');
    await using _admin = await startAdmin({
      ...{ listen: { kind: 'unix', path }, explicit: true, token: undefined, sources: createSources(), log: file.log },
    });
    const { exitCode } = await runCli(['ctl', '--admin', `unix:${path}`, 'status'], addCtlCommand, { cwd: '/' });
    expect(exitCode).toBe(0);
  });

  test('that is something else is not taken for a gateway', async () => {
    const server = createServer((_, response) => response.writeHead(404).end('<html>')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const other = await runCli(['ctl', '--admin', `127.0.0.1:${port}`, 'status'], addCtlCommand, { cwd: '/' });
      expect(other).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is no icapgw (status 404)') });
    } finally {
      server.close();
    }
  });
});
