import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type IcapServer, startIcapServer } from '../../src/demo/icap-server.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const ROOT = join(import.meta.dirname, '../..');

let folder: TestFolder;
let icap: IcapServer;
let gateway: RunningGateway;

/** Runs one command of the built program in the folder of the certificates. */
async function icapgw(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'dist/main.js'), ...args], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  return { code, output };
}

beforeAll(async () => {
  folder = await createFolder();
  icap = await startIcapServer({ host: '127.0.0.1', port: 0 });
  const made = await icapgw('gen-cert', '--ca', '--client', '--cn', 'localhost', '--san', 'DNS:localhost,IP:127.0.0.1');
  expect(made.code, made.output).toBe(0);
  gateway = await startGateway({
    workers: 2,
    services: [
      {
        name: 'icap',
        listen: '127.0.0.1:0',
        protocol: 'tunnel',
        tls: { cert: folder.file('stunnel-key.pem'), 'client-auth': { ca: folder.file('ca.pem') } },
        backends: [{ address: `127.0.0.1:${icap.port}` }],
      },
    ],
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await icap[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function probe(...args: readonly string[]) {
  return icapgw('probe', `icaps://127.0.0.1:${gateway.port('icap')}/`, '--ca', 'ca.pem', ...args);
}

const CLIENT = ['--cert', 'client.pem', '--key', 'client-key.pem'];

test.each([
  ['a clean text is allowed', 0, ['--text', 'nothing to see here']],
  ['the EICAR test string is blocked', 3, ['--eicar']],
  ['a card number is blocked', 3, ['--text', 'my card is 4111 1111 1111 1111']],
] as const)('with the certificates of gen-cert %s', async (_, exitCode, what) => {
  const { code, output } = await probe(...CLIENT, ...what);
  expect(code, output).toBe(exitCode);
});

test('a probe without the client certificate gets no verdict', async () => {
  const { code, output } = await probe('--text', 'x');
  expect(code, output).toBe(1);
  expect(output).toMatch(/certificate/);
});
