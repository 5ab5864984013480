import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, dialTunnel, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

const BULK_BYTES = 20 * 1024 * 1024;
const BULK_CONNECTIONS = 40;
const SMALL_CONNECTIONS = 460;
const PIECE_BYTES = 256 * 1024;

/** Sends the block to an echo, beginning at `offset` and going round. Returns whether the same came back. */
async function echoes(port: number, block: Buffer, offset: number): Promise<boolean> {
  const socket = dialTunnel(port);
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    received.update(chunk);
    bytes += chunk.length;
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (let done = 0; done < BULK_BYTES; done += PIECE_BYTES) {
    const from = (offset + done) % block.length;
    const piece = block.subarray(from, from + PIECE_BYTES);
    sent.update(piece);
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), closed]);
  }
  socket.end();
  await closed;
  return bytes === BULK_BYTES && sent.digest('hex') === received.digest('hex');
}

test('500 connections at once, 40 of them with 20 MiB each way, lose and change nothing', async () => {
  await using backend = await startTunnelBackend();
  const config = tunnelConfig([{ address: backend.address }], {}, { log: { level: 'info' } });
  await using gateway = await startGateway(config);
  const port = gateway.port('tunnel');
  const block = randomBytes(BULK_BYTES);
  const bulk = Array.from({ length: BULK_CONNECTIONS }, (_, index) => echoes(port, block, index * PIECE_BYTES));
  const small = Array.from({ length: SMALL_CONNECTIONS }, (_, index) => ask(port, `message ${index}`));
  expect(await Promise.all(small)).toEqual(small.map((_, index) => `message ${index}`));
  expect((await Promise.all(bulk)).filter((isEqual) => isEqual)).toHaveLength(BULK_CONNECTIONS);
});
