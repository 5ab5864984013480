import { describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { certificates } from '../_util/certificates.ts';
import { type CliRecord, runCli } from '../_util/cli-recorder.ts';
import { startScriptedServer, startSilentServer } from '../_util/icap-ill-servers.ts';
import { startTlsIcapServer } from '../_util/icap-tls-server.ts';

function runProbe(args: readonly string[], isTTY = false): Promise<CliRecord> {
  return runCli(['probe', ...args], addProbeCommand, { cwd: certificates().dir, isTTY });
}

async function againstDemo(args: readonly string[], isTTY = false): Promise<CliRecord> {
  await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
  return await runProbe([`icap://127.0.0.1:${server.port}/reqmod`, ...args], isTTY);
}

describe('icapgw probe', () => {
  test('passes a harmless text with exit code 0', async () => {
    const { stdout, stderr, exitCode } = await againstDemo([]);
    expect(exitCode).toBe(0);
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^connected {2}127\.0\.0\.1:\d+, in clear text$/),
      'options    200 OK; icapgw demonstration server, not a scanner; methods REQMOD RESPMOD; preview 1024; allow 204',
      'sent       REQMOD /reqmod, probe.txt (47 bytes), preview of 1024 was enough',
      expect.stringMatching(/^ALLOWED {4}\(ICAP 204\) after \d+ ms$/),
      '',
    ]);
  });

  test.each([
    { what: 'EICAR', args: ['--eicar'] },
    { what: 'a card number', args: ['--text', 'card 4111 1111 1111 1111'] },
    { what: 'EICAR without 204', args: ['--eicar', '--no-204', '--no-preview', '--method', 'respmod'] },
  ])('reports $what as blocked with exit code 3', async ({ args }) => {
    const { stdout, exitCode } = await againstDemo(args);
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/^BLOCKED {4}\S+ \(ICAP 200, HTTP 403\)/m);
  });

  test('shows defaults as they can be written', async () => {
    const { stdout } = await runProbe(['--help']);
    expect(stdout).toContain('(default: 60s)');
    expect(stdout).not.toMatch(/default: (?:60000|\[\])/);
  });

  test('sends a file that is named relative to the working folder', async () => {
    const { stdout, exitCode } = await againstDemo(['--file', 'lab-ca.pem']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('lab-ca.pem (');
  });

  test('prints one JSON object for scripts', async () => {
    const { stdout, exitCode } = await againstDemo(['--eicar', '--json']);
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'blocked',
      threat: 'EICAR-Test-File',
      httpStatus: 403,
      icapStatus: 200,
      method: 'REQMOD',
      path: '/reqmod',
      options: { status: 200, methods: ['REQMOD', 'RESPMOD'] },
    });
  });

  test('shows the conversation with -v', async () => {
    const { stderr } = await againstDemo(['-v', '--header', 'X-Test: 1']);
    expect(stderr).toMatch(/^> OPTIONS icap:\/\/127\.0\.0\.1:\d+\/reqmod ICAP\/1\.0$/m);
    expect(stderr).toMatch(/^< ICAP\/1\.0 200 OK$/m);
    expect(stderr).toMatch(/^> POST http:\/\/misc\/probe\.txt HTTP\/1\.1$/m);
    expect(stderr.match(/^> X-Test: 1$/gm)).toHaveLength(2);
  });

  test('colours the verdict only on a terminal', async () => {
    expect((await againstDemo([], true)).stdout).toContain('\x1b[32mALLOWED\x1b[39m');
  });

  test('goes over TLS with a client certificate', async () => {
    const { ca, server, client } = certificates();
    await using gateway = await startTlsIcapServer(server, ca.cert);
    const url = `icaps://127.0.0.1:${gateway.port}`;
    const { stdout, exitCode } = await runProbe([url, '--ca', ca.cert, '--cert', client.combined]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/TLSv1\.3, certificate CN=server \(until \d{4}-\d\d-\d\d, \d+ days left\)$/m);
  });

  test('does not skip the verification without saying so', async () => {
    const { selfSignedServer } = certificates();
    await using gateway = await startTlsIcapServer(selfSignedServer);
    const url = `icaps://127.0.0.1:${gateway.port}`;
    const refused = await runProbe([url]);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toContain('give its CA, or the certificate itself, with --ca FILE');
    const accepted = await runProbe([url, '--insecure']);
    expect(accepted.exitCode).toBe(0);
    expect(accepted.stderr).toBe(
      'icapgw: warning: --insecure: the server is not verified, anybody could answer in its place\n',
    );
    expect(accepted.stdout).toContain('NOT VERIFIED');
  });
});

describe('icapgw probe --all', () => {
  test('prints a table and ends with exit code 0', async () => {
    const { stdout, stderr, exitCode } = await againstDemo(['--all']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('METHOD   CHECK                          RESULT       TIME  WHAT THE SERVER DOES');
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^REQMOD {3}EICAR test string {14}yes {5}[ .\d]{6} ms {2}blocked as EICAR-Test-File, HTTP 403$/,
      ),
    );
    expect(lines.at(-3)).toMatch(/^server {3}127\.0\.0\.1:\d+, in clear text, connected in \d+ ms$/);
    expect(lines.at(-2)).toBe('WORKS    27 checks, none failed');
    expect(stdout).not.toContain('\x1b');
  });

  test('colours results only on a terminal that wants it', async () => {
    const { stdout } = await againstDemo(['--all', '--method', 'reqmod'], true);
    expect(stdout).toContain('\x1b[32m yes \x1b[39m');
    expect(stdout).toContain('\x1b[33m no \x1b[39m');
    expect(stdout).toContain('\x1b[32mWORKS\x1b[39m');
  });

  test('prints one JSON object for scripts', async () => {
    const { stdout, exitCode } = await againstDemo(['--all', '--json', '--size', '64KiB']);
    expect(exitCode).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ works: true, isComplete: true, options: { '/reqmod': { status: 200 } } });
    expect(report.checks[2]).toMatchObject({ method: 'REQMOD', name: 'clean', result: 'yes', icapStatus: 204 });
    expect(report.checks.map(({ label }: { label: string }) => label)).toContain('large body, 64KiB');
  });

  test('ends with exit code 1 where something fails, or nobody is there', async () => {
    let url: string;
    {
      await using silent = await startSilentServer();
      url = `icap://127.0.0.1:${silent.port}`;
      const { stdout, exitCode } = await runProbe([url, '--all', '--timeout', '500ms']);
      expect(exitCode).toBe(1);
      expect(stdout).toMatch(/^BROKEN {3}5 of 5 checks failed$/m);
    }
    const { stdout, stderr, exitCode } = await runProbe([url, '--all']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 1 });
    expect(stderr).toContain('nothing listens on');
  });
});

describe('without a verdict', () => {
  test('the reason stands on one line and the exit code is 1', async () => {
    let port: number;
    {
      await using gone = await startSilentServer();
      port = gone.port;
    }
    const { stdout, stderr, exitCode } = await runProbe([`icap://127.0.0.1:${port}`]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 1 });
    expect(stderr).toMatch(/^icapgw: no verdict: .*nothing listens on 127\.0\.0\.1:\d+.*\n$/);
  });

  test('the reason is JSON where JSON was asked for', async () => {
    await using server = await startSilentServer();
    const { stdout, exitCode } = await runProbe([`icap://127.0.0.1:${server.port}`, '--json', '--timeout', '20ms']);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'error', code: 'ICAPGW_UPSTREAM_TIMEOUT' });
  });

  test('an error of the server is one with advice', async () => {
    await using server = await startScriptedServer(['ICAP/1.0 404 No\r\n\r\n', 'ICAP/1.0 404 No\r\n\r\n']);
    const { stdout, exitCode } = await runProbe([`icap://127.0.0.1:${server.port}`]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^NO VERDICT ICAP 404 No after \d+ ms: there is no service at this path/m);
  });

  test('a port that speaks TLS is recognised', async () => {
    await using gateway = await startTlsIcapServer(certificates().server);
    const { stderr, exitCode } = await runProbe([`icap://127.0.0.1:${gateway.port}`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('it speaks TLS: try icaps://');
  });

  test('an answer that is not ICAP is recognised', async () => {
    await using server = await startScriptedServer(['\x15\x03\x01\x00\x02\x02\x46']);
    const { stderr } = await runProbe([`icap://127.0.0.1:${server.port}`]);
    expect(stderr).toContain('answers in TLS: try icaps:// in place of icap://');
  });

  test('a file that is not there is named', async () => {
    const { stderr, exitCode } = await againstDemo(['--file', 'missing.bin']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/cannot be read: .*missing\.bin/);
  });
});

describe('wrong usage ends with exit code 2 and says what is right', () => {
  test.each([
    { args: ['http://h/'], text: 'It must be icap://HOST[:PORT][/PATH] or icaps://' },
    { args: [], text: "missing required argument 'url'" },
    { args: ['icap://user:pw@h/x'], text: 'ICAP knows no user in a URL' },
    { args: ['icap://h/x#part'], text: 'What follows a # is never sent' },
    { args: ['icap://h', '--bogus'], text: '(icapgw probe --help shows how)' },
    { args: ['icap://h', '--eicar', '--text', 'x'], text: 'cannot be used with' },
    { args: ['icap://h', '--file', 'x', '--eicar'], text: 'cannot be used with' },
    { args: ['icap://h', '--all', '--eicar'], text: 'cannot be used with' },
    { args: ['icap://h', '--all', '--no-preview'], text: 'cannot be used with' },
    { args: ['icap://h', '--all', '--no-204'], text: 'cannot be used with' },
    { args: ['icap://h', '--all', '--size', '10'], text: 'a size such as 64KiB' },
    { args: ['icap://h', '--size', '1MiB'], text: '--size is for --all' },
    { args: ['icap://h', '--profile', 'mcafee'], text: 'Allowed choices are reqmod, respmod, symantec' },
    { args: ['icap://h', '--timeout', '10'], text: 'a duration such as 500ms, 60s or 10m' },
    { args: ['icap://h', '--header', 'nonsense'], text: "'Name: value'" },
    { args: ['icap://h', '--header', 'X: a\nY: b'], text: "'Name: value'" },
    { args: ['icap://h', '--header', 'Preview: 4'], text: 'The probe says Preview itself' },
    { args: ['icap://h', '--ca', 'x'], text: '--ca is for TLS: use icaps://' },
    { args: ['icap://h', '--server-name', 'x'], text: '--server-name is for TLS' },
    { args: ['icaps://h', '--key', 'x'], text: '--key needs --cert' },
    { args: ['icaps://h', '--ca', 'missing.pem'], text: 'missing.pem' },
    { args: ['icaps://h', '--all', '--ca', 'missing.pem'], text: 'missing.pem' },
    { args: ['icaps://h', '--all', '--cert', 'missing.pem'], text: 'missing.pem' },
  ])('$args', async ({ args, text }) => {
    const { stderr, exitCode } = await runProbe(args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(text);
  });

  test('--help shows examples and exit codes', async () => {
    const { stdout, exitCode } = await runProbe(['--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('$ icapgw probe icaps://gw.example --profile symantec');
    expect(stdout).toContain('3 blocked');
  });
});
