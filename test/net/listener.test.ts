import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SocketAddress } from '../../src/config/config.ts';
import { assertFree, type Listener, startListener } from '../../src/net/listener.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

function listen(
  address: SocketAddress,
  onConnection: (socket: Socket) => void = (socket) => socket.destroy(),
): Promise<Listener<SocketAddress>> {
  const sockets = { reusePort: false, ipv6Only: false, noDelay: true, keepAliveMs: undefined };
  return startListener({ address, ...sockets, onConnection, onError: () => {} });
}

const ANY_PORT: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };

test('the port that was really bound is told, and taken for everybody else', async () => {
  await using listener = await listen(ANY_PORT);
  expect(listener.address).toMatchObject({ kind: 'tcp', host: '127.0.0.1', port: expect.any(Number) });
  await expect(listen(listener.address)).rejects.toMatchObject({
    code: 'ICAPGW_LISTEN',
    message: expect.stringContaining('another process listens there'),
  });
  await expect(assertFree(listener.address, false)).rejects.toMatchObject({ code: 'ICAPGW_LISTEN' });
});

test('a connection stays open when its listener ends', async () => {
  const accepted = Promise.withResolvers<Socket>();
  const listener = await listen(ANY_PORT, accepted.resolve);
  const { address } = listener;
  if (address.kind !== 'tcp') throw new TypeError('this test is about TCP');
  const client = connect(address.port, '127.0.0.1');
  const socket = await accepted.promise;
  expect(socket.isPaused()).toBe(true);
  const ended = listener[Symbol.asyncDispose]();
  await expect(once(connect(address.port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  socket.end('still here');
  const [bytes] = await once(client, 'data');
  expect(String(bytes)).toBe('still here');
  client.end();
  socket.destroy();
  await ended;
});

test('a socket file left over by a crash is removed, one in use is not', async () => {
  using folder = createConfigFolder({});
  const address: SocketAddress = { kind: 'unix', path: join(folder.path, 'gateway.sock') };
  {
    await using _listener = await listen(address);
    await expect(assertFree(address, false)).rejects.toMatchObject({
      code: 'ICAPGW_LISTEN',
      message: expect.stringContaining('in use by another process'),
    });
    expect(existsSync(address.path)).toBe(true);
  }
  expect(existsSync(address.path)).toBe(false);
  await expect(assertFree(address, false)).resolves.toBeUndefined();
});

test('a file that is no socket is never removed', async () => {
  using folder = createConfigFolder({});
  const address: SocketAddress = { kind: 'unix', path: join(folder.path, 'precious.txt') };
  writeFileSync(address.path, 'data');
  await assertFree(address, false);
  expect(existsSync(address.path)).toBe(true);
  await expect(listen(address)).rejects.toMatchObject({ code: 'ICAPGW_LISTEN' });
});

test('a unix socket is for its owner and group', async () => {
  using folder = createConfigFolder({});
  const path = join(folder.path, 'gateway.sock');
  await using _listener = await listen({ kind: 'unix', path });
  expect(statSync(path).mode & 0o777).toBe(0o660);
});
