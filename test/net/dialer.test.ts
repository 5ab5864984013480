import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { createBackendIdentity } from '../../src/net/backend-identity.ts';
import { type DialOptions, dialOnce } from '../../src/net/dialer.ts';
import type { BackendMaterial } from '../../src/tls/backend-material.ts';
import { certificates } from '../_util/certificates.ts';
import { refusedPort, startProbedServer, startSecureProbedServer } from '../_util/health-server.ts';

function optionsFor(port: number, more: Partial<DialOptions> = {}): DialOptions {
  return {
    address: { kind: 'tcp', host: '127.0.0.1', port },
    addressText: `127.0.0.1:${port}`,
    timeoutMs: 5000,
    noDelay: true,
    keepAliveMs: undefined,
    localAddress: undefined,
    preamble: undefined,
    identity: undefined,
    hostName: 'localhost',
    onread: undefined,
    ...more,
  };
}

const BASE: BackendMaterial = { caPem: undefined, keyPair: undefined, pins: [], verify: true, serverName: undefined };
const NEVER: AbortSignal = new AbortController().signal;

describe('a dial', () => {
  test('gives a connected socket without listeners, and sends the preamble first', async () => {
    const arrived = Promise.withResolvers<string>();
    await using server = await startProbedServer((socket) =>
      socket.on('data', (bytes) => arrived.resolve(bytes.toString())),
    );
    const socket = await dialOnce(optionsFor(server.port, { preamble: Buffer.from('PROXY UNKNOWN\r\n') }), NEVER);
    expect(socket.listenerCount('error')).toBe(0);
    expect(socket.allowHalfOpen).toBe(true);
    expect(await arrived.promise).toBe('PROXY UNKNOWN\r\n');
    socket.destroy();
  });

  test('reads into the buffer of its caller', async () => {
    await using server = await startProbedServer((socket) => socket.write('hello'));
    const buffer = Buffer.alloc(16);
    const read = Promise.withResolvers<number>();
    const takeCount = (count: number): boolean => {
      read.resolve(count);
      return true;
    };
    const onread = { buffer, callback: takeCount };
    const socket = await dialOnce(optionsFor(server.port, { onread }), NEVER);
    expect(buffer.toString('utf8', 0, await read.promise)).toBe('hello');
    socket.destroy();
  });

  test('that is refused fails and may be tried elsewhere', async () => {
    const port = await refusedPort();
    await expect(dialOnce(optionsFor(port), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_CONNECT',
      cause: { code: 'ECONNREFUSED' },
    });
  });

  test('given up by its caller leaves nothing open', async () => {
    await using server = await startProbedServer();
    const reason = new Error('not wanted any more');
    const identity = createBackendIdentity({ ...BASE, verify: false });
    const stop = new AbortController();
    // The server never shakes hands, so the dial is under way for as long as it is let.
    const dialled = dialOnce(optionsFor(server.port, { identity }), stop.signal);
    setImmediate(() => stop.abort(reason));
    await expect(dialled).rejects.toBe(reason);
  });

  test('that does not finish TLS in time fails as late', async () => {
    await using server = await startProbedServer();
    const identity = createBackendIdentity({ ...BASE, verify: false });
    await expect(dialOnce(optionsFor(server.port, { identity, timeoutMs: 50 }), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_CONNECT_TIMEOUT',
      message: expect.stringContaining('did not finish TLS within 50 ms'),
    });
    expect(await server.closed).toBeDefined();
  });
});

describe('TLS to a backend', () => {
  const { ca, selfSignedServer } = certificates();

  test('fails when nobody vouches for its certificate', async () => {
    await using server = await startSecureProbedServer();
    const identity = createBackendIdentity({ ...BASE, caPem: [readFileSync(ca.cert, 'utf8')] });
    await expect(dialOnce(optionsFor(server.port, { identity }), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_HANDSHAKE',
    });
  });

  test('succeeds with a certificate that is trusted itself', async () => {
    await using server = await startSecureProbedServer((socket: Socket) => socket.write('secret'));
    const trusted = [readFileSync(selfSignedServer.cert, 'utf8')];
    const identity = createBackendIdentity({ ...BASE, caPem: trusted });
    const socket = await dialOnce(optionsFor(server.port, { identity }), NEVER);
    const [bytes] = await once(socket, 'data');
    expect(String(bytes)).toBe('secret');
    socket.destroy();
  });

  test.each([
    ['the host that was dialled', { hostName: 'dlp.example' }, undefined],
    ['server-name, whoever was dialled', { hostName: 'localhost' }, 'dlp.example'],
  ])('fails when the certificate does not name %s', async (_, more, serverName) => {
    await using server = await startSecureProbedServer();
    const trusted = [readFileSync(selfSignedServer.cert, 'utf8')];
    const identity = createBackendIdentity({ ...BASE, caPem: trusted, serverName });
    await expect(dialOnce(optionsFor(server.port, { ...more, identity }), NEVER)).rejects.toMatchObject({
      message: expect.stringContaining('dlp.example'),
    });
  });

  test('fails when a pin is of another certificate', async () => {
    await using server = await startSecureProbedServer();
    const identity = createBackendIdentity({ ...BASE, pins: ['0'.repeat(64)] });
    await expect(dialOnce(optionsFor(server.port, { identity }), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_HANDSHAKE',
      message: expect.stringContaining('none of the pinned ones'),
    });
  });
});
