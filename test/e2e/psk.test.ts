import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { replaceFile } from '../_util/e2e-reload.ts';
import { dialTunnel, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { createFolder } from '../_util/observe-log.ts';

const lab = certificates();
const PATIENCE_MS = 20_000;
const ALICE = 'what alice knows well';
const BOB = 'what bob knows as well';
const CIPHERS = 'TLS_AES_128_GCM_SHA256:ECDHE-PSK-CHACHA20-POLY1305';

/** A tunnel on which something has gone there and back; undefined where there is none. */
async function open(port: number, identity: string, key: string): Promise<TLSSocket | undefined> {
  const socket = dialTunnel(port, { ciphers: CIPHERS, pskCallback: () => ({ identity, psk: Buffer.from(key) }) });
  socket.write('ping');
  const { promise, resolve } = Promise.withResolvers<TLSSocket | undefined>();
  socket.once('data', () => resolve(socket));
  socket.once('close', () => resolve(undefined));
  return await promise;
}

async function pong(socket: TLSSocket): Promise<string> {
  socket.write('pong');
  const [bytes] = await once(socket, 'data');
  return String(bytes);
}

describe.each([
  ['without a certificate', { 'client-auth': { mode: 'none' } }],
  ['beside certificates', { cert: lab.server.cert, key: lab.server.key, 'client-auth': { ca: lab.ca.cert } }],
])('clients with pre-shared keys, %s', (_, tls) => {
  test('are told by their names, and cut once their key is gone from the file', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const file = folder.file('psk');
    replaceFile(file, `alice:${ALICE}\nbob:${BOB}\n`);
    const ciphers = `${CIPHERS}:ECDHE+AESGCM`;
    await using gateway = await startGateway(
      tunnelConfig([{ address: backend.address }], { tls: { ...tls, ciphers, 'psk-file': file } }),
    );
    const port = gateway.port('tunnel');
    const alice = await open(port, 'alice', ALICE);
    const bob = await open(port, 'bob', BOB);
    if (alice === undefined || bob === undefined) throw new Error('somebody with the right key was refused');
    for (const subject of ['alice', 'bob']) {
      const { resumed } = await gateway.waitForEvent('handshake-done', (done) => done.subject === subject);
      expect(resumed).toBe(false);
    }
    expect(await open(port, 'alice', BOB)).toBeUndefined();
    await gateway.waitForEvent('handshake-failed');

    const { promise: cut, resolve } = Promise.withResolvers<void>();
    bob.once('close', () => resolve());
    replaceFile(file, `alice:${ALICE}\n`);
    await cut;
    expect(await pong(alice)).toBe('pong');
    // Each worker takes the file when it comes to that.
    const isLetIn = async (): Promise<boolean> => {
      const again = await open(port, 'bob', BOB);
      again?.destroy();
      return again !== undefined;
    };
    await expect.poll(isLetIn, { timeout: PATIENCE_MS }).toBe(false);
    alice.destroy();
    const told = JSON.stringify(gateway.events) + gateway.stderr + gateway.stdout;
    for (const key of [ALICE, BOB]) {
      expect(told).not.toContain(key);
      expect(told).not.toContain(Buffer.from(key).toString('hex'));
    }
  });
});

test('a file that cannot be used leaves the keys in force, and its line is told', async () => {
  await using folder = await createFolder();
  await using backend = await startTunnelBackend();
  const file = folder.file('psk');
  replaceFile(file, `alice:${ALICE}\n`);
  await using gateway = await startGateway(
    tunnelConfig([{ address: backend.address }], { tls: { 'psk-file': file, 'client-auth': { mode: 'none' } } }),
  );
  replaceFile(file, `bob:${BOB}\nalice:short\n`);
  const { detail } = await gateway.waitForEvent('certificates-failed');
  expect(detail).toMatch(/psk: PSKsecrets line 2: Key shorter than 16 bytes/);
  expect(await open(gateway.port('tunnel'), 'bob', BOB)).toBeUndefined();
  const alice = await open(gateway.port('tunnel'), 'alice', ALICE);
  expect(alice).toBeDefined();
  alice?.destroy();
});

test('two gateways that share a key make a tunnel without a certificate', async () => {
  await using folder = await createFolder();
  await using backend = await startTunnelBackend();
  const file = folder.file('psk');
  replaceFile(file, `other:${BOB}\nbranch:${ALICE}\n`);
  const sole = { 'psk-file': file, 'client-auth': { mode: 'none' } };
  await using far = await startGateway(tunnelConfig([{ address: backend.address }], { tls: sole }));
  const tls = { 'psk-file': file, 'psk-identity': 'branch' };
  const address = `127.0.0.1:${far.port('tunnel')}`;
  await using near = await startGateway(
    tunnelConfig([{ address, tls }], { tls: { cert: lab.server.cert, key: lab.server.key }, health: { type: 'tls' } }),
  );
  const socket = dialTunnel(near.port('tunnel'));
  await once(socket, 'secureConnect');
  expect(await pong(socket)).toBe('pong');
  socket.destroy();
  await far.waitForEvent('handshake-done', ({ subject }) => subject === 'branch');
});
