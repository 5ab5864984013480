import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { startRecordingBackend } from '../_util/e2e-backend.ts';
import { spawnGateway, startGateway } from '../_util/e2e-gateway.ts';

const BACKENDS = [{ address: '127.0.0.1:1344' }];

function service(more: object): object {
  const { server } = certificates();
  return {
    name: 'icap',
    listen: '127.0.0.1:0',
    protocol: 'tunnel',
    tls: { cert: server.combined },
    health: { type: 'none' },
    backends: BACKENDS,
    ...more,
  };
}

/** Starts it and waits for its end; one that starts after all is an error. */
async function refuse(config: object | string): Promise<{ readonly code: number | null; readonly text: string }> {
  await using gateway = spawnGateway(config);
  const end = await Promise.race([gateway.exited, gateway.waitForEvent('ready').catch(() => gateway.exited)]);
  if (!('code' in end)) throw new Error('it started');
  expect(gateway.stderr).not.toMatch(/^ {4}at /m);
  return { code: end.code, text: gateway.stderr };
}

describe('exit code 2, naming the file:', () => {
  test.each<readonly [string, string | Uint8Array]>([
    ['is empty', ''],
    ['is no PEM', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 31) % 256))],
    ['is cut in the middle', '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n'],
  ])('a certificate that %s', async (_, content) => {
    using folder = createConfigFolder({ 'broken.pem': content });
    const cert = `${folder.path}/broken.pem`;
    const { code, text } = await refuse({ services: [service({ tls: { cert } })] });
    expect({ code, text }).toEqual({ code: 2, text: expect.stringContaining(cert) });
    expect(text).toContain('[ICAPGW_TLS_MATERIAL]');
  });

  test('a key of another certificate', async () => {
    const { server, client } = certificates();
    const { code, text } = await refuse({ services: [service({ tls: { cert: server.cert, key: client.key } })] });
    expect({ code, text }).toEqual({ code: 2, text: expect.stringContaining(client.key) });
    expect(text).toContain('belongs to none of its certificates');
  });

  test('a key whose passphrase is another', async () => {
    const { encryptedServer } = certificates();
    using folder = createConfigFolder({ passphrase: 'wrong\n' });
    const tls = { cert: encryptedServer.combined, 'key-passphrase-file': `${folder.path}/passphrase` };
    const { code, text } = await refuse({ services: [service({ tls })] });
    expect(code).toBe(2);
    expect(text).toMatch(/passphrase/);
    expect(text).toContain(folder.path);
    expect(text).not.toContain('wrong\n');
  });

  test('a certificate file that is not there', async () => {
    const { code, text } = await refuse({ services: [service({ tls: { cert: '/nowhere/cert.pem' } })] });
    expect({ code, text }).toEqual({ code: 2, text: expect.stringContaining('/nowhere/cert.pem') });
  });

  test('a folder where a certificate is expected', async () => {
    using folder = createConfigFolder({});
    const { code, text } = await refuse({ services: [service({ tls: { cert: folder.path } })] });
    expect({ code, text }).toEqual({ code: 2, text: expect.stringContaining(folder.path) });
  });

  test('a revocation list that is a certificate', async () => {
    const { server, ca } = certificates();
    const tls = { cert: server.combined, 'client-auth': { ca: ca.cert, crl: server.cert } };
    const { code, text } = await refuse({ services: [service({ tls })] });
    expect({ code, text }).toEqual({ code: 2, text: expect.stringContaining(server.cert) });
  });
});

test.each([
  ['log', { file: '/nowhere/icapgw.log' }],
  ['log', { access: '/nowhere/access.log' }],
  ['admin', { 'token-file': '/nowhere/token' }],
  ['pid-file', '/nowhere/icapgw.pid'],
])('a file of %s that cannot be used stops the start: %j', async (key, value) => {
  const { code, text } = await refuse({ services: [service({})], [key]: value });
  expect({ code, text }).toEqual({ code: 2, text: expect.stringContaining('/nowhere') });
});

test('an unknown key stops the start, with the place and the key that was meant', async () => {
  const config =
    'services:\n  - name: a\n    listen: 127.0.0.1:0\n    tls: off\n    balanse: round-robin\n    backends: []\n';
  await using gateway = spawnGateway(config);
  expect((await gateway.exited).code).toBe(2);
  expect(gateway.stderr).toContain(`${gateway.file}:5: error: `);
  expect(gateway.stderr).toMatch(/balanse.*balance/);
});

test('an unknown stunnel option stops the start, with the place', async () => {
  const { server } = certificates();
  const config = `[icap]\naccept = 127.0.0.1:0\nconnect = 1344\ncert = ${server.combined}\nverfy = 2\n`;
  await using gateway = spawnGateway(config);
  expect((await gateway.exited).code).toBe(2);
  expect(gateway.stderr).toContain(`${gateway.file}:5: error: `);
  expect(gateway.stderr).toContain('verfy');
});

describe('exit code 1, naming the thing:', () => {
  test('a port on which another program listens', async () => {
    await using other = await startRecordingBackend();
    const { code, text } = await refuse({ services: [service({ listen: `127.0.0.1:${other.port}` })] });
    expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining(`127.0.0.1:${other.port}`) });
    expect(text).toContain('EADDRINUSE');
  });

  test('a port on which another gateway listens, although its workers share it', async () => {
    await using first = await startGateway({ workers: 2, services: [service({})] });
    const listen = `127.0.0.1:${first.port('icap')}`;
    const { code, text } = await refuse({ workers: 2, services: [service({ listen })] });
    expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining(listen) });
  });

  test('two services on the same port', async () => {
    const port = await freePort();
    const listen = `127.0.0.1:${port}`;
    const services = [service({ listen }), service({ name: 'second', listen })];
    const { code, text } = await refuse({ workers: 2, services });
    expect(code).not.toBe(0);
    expect(text).toContain(listen);
  });

  test('an admin address that the configuration names and another program has', async () => {
    await using other = await startRecordingBackend();
    const listen = `127.0.0.1:${other.port}`;
    const { code, text } = await refuse({ admin: { listen }, services: [service({})] });
    expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining(listen) });
  });
});

test('a default admin address that another program has is only warned of', async () => {
  const occupant = createServer();
  const taken = new Promise((resolve) =>
    occupant.once('error', resolve).listen(9344, '127.0.0.1', () => resolve('mine')),
  );
  // Whoever has it, this test or another program of the machine: it is taken.
  await taken;
  await using gateway = spawnGateway({ admin: {}, services: [service({})] });
  const { address, level } = await gateway.waitForEvent('admin-unavailable');
  expect({ address, level }).toEqual({ address: '127.0.0.1:9344', level: 'warning' });
  await gateway.waitForEvent('ready');
  occupant.close();
});

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  await using gone = await startRecordingBackend();
  return gone.port;
}
