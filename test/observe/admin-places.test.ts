import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { AdminPlaces } from '../../src/observe/admin-places.ts';
import { ask } from '../_util/observe-http.ts';

/** More than the kernel keeps for somebody who does not read. */
const LARGE: Buffer = Buffer.alloc(32 * 1024 * 1024, 'a');

interface PlacedServer extends AsyncDisposable {
  readonly address: string;
  readonly server: Server;
  /** How many requests are worked on, or were. */
  readonly asked: number;
}

/** A server with two places. `/large` answers at once, `/slow` when `answer` has come, anything else with `ok`. */
async function startPlaced(answer: Promise<void> = Promise.resolve()): Promise<PlacedServer> {
  let asked = 0;
  const server = createServer(async (request, response) => {
    asked += 1;
    await places.work(request.socket, async () => {
      if (request.url === '/slow') await answer;
    });
    response.end(request.url === '/large' ? LARGE : 'ok');
  });
  const places = new AdminPlaces(server, 2);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    get asked() {
      return asked;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** A client that sends this and reads nothing. */
async function openDeaf({ server, address }: PlacedServer, bytes: string): Promise<Socket> {
  const accepted = once(server, 'connection');
  const socket = connect({ host: '127.0.0.1', port: Number(address.split(':')[1]) }).pause();
  socket.on('error', () => {});
  socket.write(bytes);
  await accepted;
  return socket;
}

test('those who do not read their answers give way', async () => {
  await using placed = await startPlaced();
  const request = 'GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const deaf = [await openDeaf(placed, request), await openDeaf(placed, request)];
  await expect.poll(() => placed.asked).toBe(2);
  for (let turn = 0; turn < 3; turn += 1) {
    expect(await ask(placed.address, '/')).toMatchObject({ status: 200, body: 'ok' });
  }
  for (const socket of deaf) socket.destroy();
});

test('those for whom work is done do not, whatever else they have sent', async () => {
  const answer = Promise.withResolvers<void>();
  await using placed = await startPlaced(answer.promise);
  const two = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const patient = [await openDeaf(placed, two), await openDeaf(placed, two)];
  await expect.poll(() => placed.asked).toBe(4);
  await expect(ask(placed.address, '/')).rejects.toThrow();
  answer.resolve();
  await expect.poll(async () => (await ask(placed.address, '/').catch(() => undefined))?.body).toBe('ok');
  for (const socket of patient) socket.destroy();
});
