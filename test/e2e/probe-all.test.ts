import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import type { SurveyReport } from '../../src/probe/survey-report.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { type CIcap, hasCIcap, startCIcap } from '../_util/icap-c-icap.ts';
import { hasClamAv, type ScanningServer, startScanningServer } from '../_util/icap-clamav.ts';
import { startScriptBackend } from '../_util/icap-script-backend.ts';

const ROOT = join(import.meta.dirname, '../..');
const lab = certificates();

async function surveyOf(...args: readonly string[]): Promise<{ exitCode: number | undefined; rows: string[] }> {
  const { stdout, exitCode } = await runCli(['probe', ...args, '--all', '--json'], addProbeCommand, { cwd: ROOT });
  const { checks } = JSON.parse(stdout) as SurveyReport;
  return { exitCode, rows: checks.map(({ method, name, result, detail }) => `${method} ${name} ${result}: ${detail}`) };
}

/** What both services of c-icap do with either method, in the order of the table. */
function rowsOf(method: string, eicar: string): readonly unknown[] {
  const back = expect.stringMatching(/yes: (?:204, left alone|200, back unchanged)$/);
  const previewed = expect.stringMatching(
    / (?:100, then|after the preview alone:) (?:204, left alone|200, back unchanged)$/,
  );
  const is = (name: string, rest: unknown): unknown => ({ row: expect.stringContaining(`${method} ${name} `), rest });
  return [
    is('clean', back),
    is('no-204', expect.stringContaining('yes: 200, back unchanged')),
    is('empty', expect.stringContaining('yes: 204')),
    is('eicar', expect.stringContaining(eicar)),
    is('preview-0', previewed),
    is('preview-half', previewed),
    is('preview-full', previewed),
    is('preview-ieof', back),
    is('large', back),
    is('large-no-204', expect.stringContaining('yes: 200, back unchanged')),
    is('keep-alive', expect.stringContaining('yes: 3 requests on one connection')),
    is('204', expect.stringContaining('204 ')),
  ];
}

const pairs = (rows: readonly string[]): readonly unknown[] => rows.map((row) => ({ row, rest: row }));

describe.skipIf(!hasCIcap)('the echo service of a real c-icap', () => {
  let server: CIcap;
  beforeAll(async () => {
    server = await startCIcap(lab.rsaServer, lab.ca.cert);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('does all that is asked of it, and knows no virus', async () => {
    const { rows, exitCode } = await surveyOf(`icap://127.0.0.1:${server.port}/echo`);
    expect(exitCode, rows.join('\n')).toBe(0);
    expect(rows.slice(0, 2)).toEqual([
      expect.stringMatching(
        /^OPTIONS options yes: 200 OK; .*Echo demo service; methods RESPMOD REQMOD; preview 1024; allow 204$/,
      ),
      expect.stringMatching(/^OPTIONS istag yes: "CI/),
    ]);
    expect(pairs(rows.slice(2, -1))).toEqual([...rowsOf('REQMOD', 'no: passes'), ...rowsOf('RESPMOD', 'no: passes')]);
    expect(rows.at(-1)).toMatch(/^OPTIONS unknown-path yes: 404 /);
  });

  test('is the same over TLS with a client certificate', async () => {
    const tls = ['--ca', lab.ca.cert, '--cert', lab.rsaClient.combined];
    const { rows, exitCode } = await surveyOf(`icaps://127.0.0.1:${server.tlsPort}/echo`, ...tls);
    expect(exitCode, rows.join('\n')).toBe(0);
    expect(rows).toHaveLength(27);
  });

  test('has no service at the paths of another vendor', async () => {
    const { rows, exitCode } = await surveyOf(`icap://127.0.0.1:${server.port}`, '--profile', 'ddan');
    expect(exitCode).toBe(1);
    expect(rows).toEqual([
      expect.stringMatching(/^OPTIONS options no: ICAP 404/),
      expect.stringMatching(/^OPTIONS options no: ICAP 404/),
      'REQMOD offered no: there is no service at its path',
      'RESPMOD offered no: there is no service at its path',
      expect.stringMatching(/^OPTIONS unknown-path yes: 404/),
    ]);
  });
});

describe.skipIf(!hasClamAv)('the scanner of a real c-icap, with clamd', () => {
  let server: ScanningServer;
  beforeAll(async () => {
    server = await startScanningServer(lab.rsaServer, lab.ca.cert);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('does all that is asked of it, and blocks EICAR', async () => {
    const { rows, exitCode } = await surveyOf(`icap://127.0.0.1:${server.port}/virus_scan`);
    expect(exitCode, rows.join('\n')).toBe(0);
    const eicar = 'yes: blocked as Own.Test.Eicar.UNOFFICIAL, HTTP 403';
    expect(pairs(rows.slice(2, -1))).toEqual([...rowsOf('REQMOD', eicar), ...rowsOf('RESPMOD', eicar)]);
    expect(rows).toContain('REQMOD large yes: 204, left alone');
  });

  test('fails where clamd is dead, whatever OPTIONS say', async () => {
    await server.clamd.kill();
    const { rows, exitCode } = await surveyOf(`icap://127.0.0.1:${server.port}/virus_scan`, '--method', 'respmod');
    await server.clamd.start();
    expect(exitCode).toBe(1);
    expect(rows[0]).toContain('OPTIONS options yes: 200 OK');
    expect(rows[2]).toMatch(/^RESPMOD clean failed: ICAP 5\d\d .*its log knows why/);
  });
});

describe.skipIf(!existsSync(join(ROOT, 'dist/main.js')))('Ctrl-C', () => {
  test.each([
    { args: [], text: /^STOPPED {2}after 0 checks$/m },
    { args: ['--json'], text: /"isComplete": false/ },
  ])('ends the survey with what is known: $args', async ({ args, text }) => {
    await using silent = await startScriptBackend();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    silent.optionsScript = (exchange) => {
      resolve();
      return exchange.stall();
    };
    const main = join(ROOT, 'dist/main.js');
    const child = spawn(join(ROOT, 'node_modules/.bin/node'), [
      main,
      'probe',
      `icap://${silent.address}`,
      '--all',
      ...args,
    ]);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      stdout += data;
    });
    await asked;
    child.kill('SIGINT');
    const [code, signal] = await once(child, 'close');
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stdout).toMatch(text);
  });
});
