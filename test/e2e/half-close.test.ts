import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

test.each([{ tls: true }, { tls: false }])('half-closed connections work both ways, TLS $tls', async ({ tls }) => {
  const early = randomBytes(100_000);
  const late = randomBytes(2_000_000);
  // Finishes first, and takes what the client sends afterwards.
  let fromClient: Promise<Buffer> = Promise.resolve(Buffer.of());
  await using eager = await startTunnelBackend((socket) => {
    fromClient = receive(socket);
    socket.end(early);
  });
  // Answers once the client has finished.
  await using patient = await startTunnelBackend(async (socket) => {
    socket.end(await receive(socket));
  });
  const more = { health: { type: 'none' }, ...(!tls && { tls: 'off' }) };
  const dial = (port: number) => (tls ? dialTunnel(port) : connect({ port, host: '127.0.0.1', allowHalfOpen: true }));

  await using first = await startGateway(tunnelConfig([{ address: eager.address }], more));
  const reader = dial(first.port('tunnel'));
  expect((await receive(reader)).equals(early)).toBe(true);
  reader.end(late);
  await once(reader, 'close');
  expect(await first.waitForEvent('connection-closed')).toMatchObject({
    ...{ reason: 'backend', bytesIn: late.length, bytesOut: early.length },
  });
  expect((await fromClient).equals(late)).toBe(true);

  await using second = await startGateway(tunnelConfig([{ address: patient.address }], more));
  const asker = dial(second.port('tunnel'));
  asker.end(late);
  expect((await receive(asker)).equals(late)).toBe(true);
  expect(await second.waitForEvent('connection-closed')).toMatchObject({
    ...{ reason: 'client', bytesIn: late.length, bytesOut: late.length },
  });
});
