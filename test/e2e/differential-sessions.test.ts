import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));

let backend: RecordingBackend;
let programs: Programs;
beforeAll(async () => {
  backend = await startRecordingBackend((socket) => void socket.on('data', () => socket.end('answer')));
  const here = [`connect = 127.0.0.1:${backend.port}`, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
  programs = await startBoth(
    configText({
      'nothing said': here,
      'sessionResume = no': [...here, 'sessionResume = no'],
      'sessionCacheTimeout = 0': [...here, 'sessionCacheTimeout = 0'],
      NO_TICKET: [...here, 'options = NO_TICKET'],
      'NO_TICKET and sessionResume = no': [...here, 'options = NO_TICKET', 'sessionResume = no'],
      'NO_TICKET, another': [...here, 'options = NO_TICKET'],
    }),
  );
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

/** One visit of openssl with a request; whether it was served, and whether by a session that it had before. */
async function visit(port: number, ...args: readonly string[]): Promise<'new' | 'reused' | 'refused'> {
  const identity = ['-cert', lab.client.cert, '-key', lab.client.key];
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...identity, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (output.includes('answer')) child.stdin.end();
  });
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.write('request\n');
  await once(child, 'close');
  if (!output.includes('answer')) return 'refused';
  return output.includes('Reused, TLS') ? 'reused' : 'new';
}

const TIMES = 6;

/** A first visit, and how many of those that come back with its session are resumed. */
async function resumptions(port: number, version: string, back: number = port): Promise<number> {
  const session = join(folder, `session-${port}${version}`);
  expect(await visit(port, version, '-sess_out', session)).toBe('new');
  const visits = Array.from({ length: TIMES }, () => visit(back, version, '-sess_in', session));
  return (await Promise.all(visits)).filter((outcome) => outcome === 'reused').length;
}

describe('the same sessions are resumed', () => {
  test.each([
    { service: 'nothing said', version: '-tls1_2', count: TIMES },
    { service: 'nothing said', version: '-tls1_3', count: TIMES },
    { service: 'sessionResume = no', version: '-tls1_2', count: 0 },
    { service: 'sessionResume = no', version: '-tls1_3', count: 0 },
    { service: 'NO_TICKET', version: '-tls1_2', count: TIMES },
    { service: 'NO_TICKET and sessionResume = no', version: '-tls1_2', count: 0 },
    { service: 'NO_TICKET and sessionResume = no', version: '-tls1_3', count: 0 },
  ])('$service, $version: $count', async ({ service, version, count }) => {
    const both = await playBoth(programs, ({ portOf }) => resumptions(portOf(service), version));
    expect(both).toEqual(same(count));
  });

  test('none of another service, by its session ID', async () => {
    const both = await playBoth(programs, ({ portOf }) =>
      resumptions(portOf('NO_TICKET'), '-tls1_2', portOf('NO_TICKET, another')),
    );
    expect(both).toEqual(same(0));
  });
});

describe('other sessions are resumed, on purpose', () => {
  test('none with sessionCacheTimeout = 0: in stunnel that is no limit', async () => {
    const both = await playBoth(programs, ({ portOf }) => resumptions(portOf('sessionCacheTimeout = 0'), '-tls1_2'));
    expect(both).toEqual({ stunnel: TIMES, icapgw: 0 });
  });

  test('none of TLS 1.3 with NO_TICKET: in stunnel each once', async () => {
    const { stunnel, icapgw } = await playBoth(programs, ({ portOf }) => resumptions(portOf('NO_TICKET'), '-tls1_3'));
    expect(stunnel).toBeGreaterThan(0);
    expect(icapgw).toBe(0);
  });
});
