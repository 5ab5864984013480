import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { type CIcap, hasCIcap, startCIcap } from '../_util/icap-c-icap.ts';

let server: CIcap;

async function probe(...args: readonly string[]) {
  const { stdout, stderr, exitCode } = await runCli(['probe', ...args, '--json'], addProbeCommand, {
    cwd: certificates().dir,
  });
  return { exitCode, stderr, report: JSON.parse(stdout) };
}

describe.skipIf(!hasCIcap)('a real c-icap is probed', () => {
  beforeAll(async () => {
    const { rsaServer, ca } = certificates();
    server = await startCIcap(rsaServer, ca.cert);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('its options are read', async () => {
    const { report, exitCode } = await probe(`icap://127.0.0.1:${server.port}/echo`);
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({ verdict: 'allowed', previewBytes: 1024 });
    expect(report.options).toMatchObject({ status: 200, methods: ['RESPMOD', 'REQMOD'], allow204: true });
  });

  test.each(['reqmod', 'respmod'])('%s passes, whether echoed or left alone', async (method) => {
    const text = 'x'.repeat(100_000);
    for (const extra of [[], ['--no-204'], ['--no-preview'], ['--no-204', '--no-preview'], ['--text', text]]) {
      // The service answers previews with 200 and 204 in turns.
      for (let turn = 0; turn < 2; turn += 1) {
        const args = [`icap://127.0.0.1:${server.port}/echo`, '--method', method, ...extra];
        const { report, exitCode } = await probe(...args);
        expect({ extra, exitCode, verdict: report.verdict }).toEqual({ extra, exitCode: 0, verdict: 'allowed' });
      }
    }
  });

  test('a file of several MB is echoed while it is sent', async () => {
    const { report, exitCode } = await probe(
      `icap://127.0.0.1:${server.port}/echo`,
      '--no-204',
      '--no-preview',
      '--file',
      process.execPath,
    );
    expect({ exitCode, verdict: report.verdict, status: report.icapStatus }).toEqual({
      exitCode: 0,
      verdict: 'allowed',
      status: 200,
    });
  });

  test('a path without a service is no verdict', async () => {
    const { report, exitCode } = await probe(`icap://127.0.0.1:${server.port}/nowhere`);
    expect(exitCode).toBe(1);
    expect(report).toMatchObject({ verdict: 'error', icapStatus: 404, options: { status: 404 } });
  });

  test('over TLS it asks for a client certificate and gets one', async () => {
    const { ca, rsaClient } = certificates();
    const url = `icaps://127.0.0.1:${server.tlsPort}/echo`;
    const shown = await probe(url, '--ca', ca.cert, '--cert', rsaClient.combined);
    expect(shown.exitCode).toBe(0);
    expect(shown.report.tls).toMatchObject({ isVerified: true });
    const hidden = await probe(url, '--ca', ca.cert);
    expect(hidden.exitCode).toBe(1);
    expect(hidden.report.reason).toContain('give one with --cert and --key');
  });
});
