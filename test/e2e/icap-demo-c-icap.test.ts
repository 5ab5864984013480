import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TransactionEntry } from '../../src/demo/connection.ts';
import { EICAR } from '../../src/demo/eicar.ts';
import { type IcapServer, startIcapServer } from '../../src/demo/icap-server.ts';
import { hasCIcap, runCIcapClient } from '../_util/icap-c-icap.ts';

const entries: TransactionEntry[] = [];
let folder: string;
let server: IcapServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'icapgw-demo-'));
  writeFileSync(join(folder, 'clean'), 'harmless '.repeat(50_000));
  writeFileSync(join(folder, 'small'), 'harmless');
  writeFileSync(join(folder, 'preview'), 'x'.repeat(1024));
  writeFileSync(join(folder, 'eicar'), EICAR);
  writeFileSync(join(folder, 'late'), 'harmless '.repeat(50_000) + EICAR);
  server = await startIcapServer({ host: '127.0.0.1', port: 0, log: (entry) => entries.push(entry) });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const UPLOAD = ['-req', 'http://www.example/form', '-method', 'POST'];

describe.skipIf(!hasCIcap)('the real c-icap-client talks to the demonstration server', () => {
  test('OPTIONS', async () => {
    const output = await runCIcapClient(server.port, 'any', []);
    expect(output).toMatch(/Allow 204: Yes/);
    expect(output).toMatch(/Preview: 1024/);
    expect(output).toContain('icapgw demonstration server, not a scanner');
  });

  const variants = [[], ['-no204'], ['-nopreview'], ['-no204', '-nopreview'], ['-206'], ['-w', '16']];
  const cases = ['clean', 'small', 'preview', 'eicar', 'late'].flatMap((file) =>
    variants.flatMap((options) => [
      { file, method: 'RESPMOD', options },
      { file, method: 'REQMOD', options: [...UPLOAD, ...options] },
    ]),
  );

  test.each(cases)('$method of $file with $options', async ({ file, method, options }) => {
    entries.length = 0;
    const output = await runCIcapClient(server.port, 'any', ['-f', join(folder, file), ...options]);
    const isBlocked = file === 'eicar' || file === 'late';
    expect(entries.map((entry) => entry.method)).toEqual(['OPTIONS', method].slice(-entries.length));
    expect(entries.at(-1)?.threat).toBe(isBlocked ? 'EICAR-Test-File' : undefined);
    expect(entries.at(-1)?.answer).toMatch(isBlocked ? /^blocked$/ : /^(?:unmodified|echo)$/);
    expect(output).toContain(isBlocked ? '403 Forbidden' : 'ICAP/1.0 20');
  });
});
