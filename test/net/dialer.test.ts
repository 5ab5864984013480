import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { dialOnce } from '../../src/net/dialer.ts';
import { dialOptions, identityOf, NEVER } from '../_util/backend-tls.ts';
import { certificates } from '../_util/certificates.ts';
import { refusedPort, startProbedServer, startSecureProbedServer } from '../_util/health-server.ts';

describe('a dial', () => {
  test('gives a connected socket without listeners, and sends the preamble first', async () => {
    const arrived = Promise.withResolvers<string>();
    await using server = await startProbedServer((socket) =>
      socket.on('data', (bytes) => arrived.resolve(bytes.toString())),
    );
    const socket = await dialOnce(dialOptions(server.port, { preamble: Buffer.from('PROXY UNKNOWN\r\n') }), NEVER);
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
    const socket = await dialOnce(dialOptions(server.port, { onread }), NEVER);
    expect(buffer.toString('utf8', 0, await read.promise)).toBe('hello');
    socket.destroy();
  });

  test('that is refused fails and may be tried elsewhere', async () => {
    const port = await refusedPort();
    await expect(dialOnce(dialOptions(port), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_CONNECT',
      cause: { code: 'ECONNREFUSED' },
    });
  });

  test('given up by its caller leaves nothing open', async () => {
    await using server = await startProbedServer();
    const reason = new Error('not wanted any more');
    const identity = identityOf({ verify: false });
    const stop = new AbortController();
    // The server never shakes hands, so the dial is under way for as long as it is let.
    const dialled = dialOnce(dialOptions(server.port, { identity }), stop.signal);
    setImmediate(() => stop.abort(reason));
    await expect(dialled).rejects.toBe(reason);
  });

  test('that does not finish TLS in time fails as late', async () => {
    await using server = await startProbedServer();
    const identity = identityOf({ verify: false });
    await expect(dialOnce(dialOptions(server.port, { identity, handshakeTimeoutMs: 50 }), NEVER)).rejects.toMatchObject(
      {
        code: 'ICAPGW_UPSTREAM_CONNECT_TIMEOUT',
        message: expect.stringContaining('did not finish TLS within 50 ms'),
      },
    );
    expect(await server.closed).toBeDefined();
  });
});

describe('TLS to a backend', () => {
  const { ca, selfSignedServer } = certificates();

  test('fails when nobody vouches for its certificate', async () => {
    await using server = await startSecureProbedServer();
    const identity = identityOf({ ca: [ca.cert] });
    await expect(dialOnce(dialOptions(server.port, { identity }), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_HANDSHAKE',
    });
  });

  test('succeeds with a certificate that is trusted itself', async () => {
    await using server = await startSecureProbedServer((socket: Socket) => socket.write('secret'));
    const identity = identityOf({ ca: [selfSignedServer.cert] });
    const socket = await dialOnce(dialOptions(server.port, { identity }), NEVER);
    const [bytes] = await once(socket, 'data');
    expect(String(bytes)).toBe('secret');
    socket.destroy();
  });

  test.each([
    ['the host that was dialled', { hostName: 'dlp.example' }, undefined],
    ['server-name, whoever was dialled', { hostName: 'localhost' }, 'dlp.example'],
  ])('fails when the certificate does not name %s', async (_, more, serverName) => {
    await using server = await startSecureProbedServer();
    const identity = identityOf({ ca: [selfSignedServer.cert], trust: 'chain', serverName });
    await expect(dialOnce(dialOptions(server.port, { ...more, identity }), NEVER)).rejects.toMatchObject({
      message: expect.stringContaining('dlp.example'),
    });
  });

  test('fails when a pin is of another certificate', async () => {
    await using server = await startSecureProbedServer();
    const identity = identityOf({ pinSha256: ['0'.repeat(64)] });
    await expect(dialOnce(dialOptions(server.port, { identity }), NEVER)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_HANDSHAKE',
      message: expect.stringContaining('none of the pinned ones'),
    });
  });
});
