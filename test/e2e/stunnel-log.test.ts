import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { greetWithOpenssl } from '../_util/e2e-client.ts';
import { type SpawnedGateway, spawnGateway } from '../_util/e2e-gateway.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

let folder: TestFolder;
let backend: RecordingBackend;
let gateway: SpawnedGateway;
let port: number;

beforeAll(async () => {
  const { server, ca } = certificates();
  folder = await createFolder();
  backend = await startRecordingBackend();
  const lines = [
    'debug = info',
    `output = ${folder.file('stunnel.log')}`,
    'icapgw.admin.listen = off',
    'icapgw.log.format = stunnel',
    '[icap]',
    'accept = 127.0.0.1:0',
    `connect = 127.0.0.1:${backend.port}`,
    `cert = ${server.combined}`,
    `CAfile = ${ca.cert}`,
    'verify = 2',
  ];
  gateway = spawnGateway(`${lines.join('\n')}\n`);
  port = Number((await logged(/Service \[icap\] bound to 127\.0\.0\.1:(\d+)$/m))[1]);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function text(): Promise<string> {
  return readFile(folder.file('stunnel.log'), 'utf8').catch(() => '');
}

/** What the log says where it fits, once it does. */
async function logged(pattern: RegExp): Promise<RegExpExecArray> {
  return await vi.waitFor(
    async () => {
      const said = await text();
      const found = pattern.exec(said);
      if (found === null) throw new Error(`nothing fits ${pattern}:\n${said}`);
      return found;
    },
    { timeout: 10_000 },
  );
}

const CLIENT = String.raw`127\.0\.0\.1:\d+`;
const HEAD = String.raw`^\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d LOG`;

/** These lines in this order; others may stand between them. */
function inOrder(...lines: readonly string[]): RegExp {
  return new RegExp(lines.map((line) => `${HEAD}${line}$`).join('[^]*'), 'm');
}

test('every line has the form of a line of stunnel', async () => {
  await logged(/Accepting new connections/);
  for (const line of (await text()).trimEnd().split('\n')) {
    expect(line).toMatch(/^\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d LOG[0-7]\[(?:ui|main|\d+)\]: ./);
  }
});

test('a client that is served leaves the lines by which administrators find it', async () => {
  const { client } = certificates();
  const { isServed } = await greetWithOpenssl(port, '-cert', client.cert, '-key', client.key);
  expect(isServed).toBe(true);
  await logged(
    inOrder(
      String.raw`5\[0\]: Service \[icap\] accepted connection from ${CLIENT}`,
      String.raw`5\[0\]: Certificate accepted at depth=0: CN=client`,
      String.raw`5\[0\]: s_connect: connected 127\.0\.0\.1:${backend.port}`,
      String.raw`5\[0\]: Service \[icap\] connected remote server from ${CLIENT}`,
      String.raw`5\[0\]: Connection closed: 11 byte\(s\) sent to TLS, 6 byte\(s\) sent to socket`,
    ),
  );
});

test('a client without a certificate is refused in the words of stunnel', async () => {
  expect((await greetWithOpenssl(port, '-tls1_2')).isServed).toBe(false);
  await logged(
    inOrder(
      String.raw`5\[1\]: Service \[icap\] accepted connection from ${CLIENT}`,
      String.raw`3\[1\]: SSL_accept: .*error:0A0000C7:SSL routines::peer did not return a certificate`,
      String.raw`5\[1\]: Connection reset/closed: 0 byte\(s\) sent to TLS, 0 byte\(s\) sent to socket`,
    ),
  );
});

test.each([
  ['otherClient', 2, 'unable to get local issuer certificate', 'other-client'],
  ['expiredClient', 3, 'certificate has expired', 'expired-client'],
  ['serverOnlyClient', 4, 'unsuitable certificate purpose', 'server-only'],
] as const)('%s is refused in the words of stunnel', async (who, id, words, name) => {
  const { cert, key } = certificates()[who];
  expect((await greetWithOpenssl(port, '-cert', cert, '-key', key)).isServed).toBe(false);
  await logged(
    inOrder(
      String.raw`4\[${id}\]: CERT: Pre-verification error: ${words}`,
      String.raw`4\[${id}\]: Rejected by CERT at depth=0: CN=${name}`,
      String.raw`3\[${id}\]: SSL_accept: .*error:0A000086:SSL routines::certificate verify failed`,
      String.raw`5\[${id}\]: Connection reset/closed: 0 byte\(s\) sent to TLS, 0 byte\(s\) sent to socket`,
    ),
  );
});

test('SIGTERM is told and ends it', async () => {
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
  expect(await text()).toMatch(inOrder(String.raw`5\[ui\]: Terminated`));
});
