import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { dialTunnel, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

const CLIENTS = 60;
const ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_RSS_KB = 400 * 1024;

function rssKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test.runIf(process.platform === 'linux')('clients that stop reading do not fill the memory', async () => {
  const answer = Buffer.alloc(ANSWER_BYTES, 'x');
  await using backend = await startTunnelBackend((socket) => socket.once('data', () => socket.end(answer)));
  const config = tunnelConfig([{ address: backend.address }], {}, { log: { level: 'info' } });
  await using gateway = await startGateway(config);
  const received: number[] = Array.from({ length: CLIENTS }, () => 0);
  const clients = received.map((_, index) => {
    const client = dialTunnel(gateway.port('tunnel'));
    client.write('send');
    client.on('data', (chunk: Buffer) => {
      const first = received[index] === 0;
      received[index] = (received[index] ?? 0) + chunk.length;
      if (first) client.pause();
    });
    return client;
  });
  // Every answer has begun and none moves any more: all buffers on the way are full.
  let passed = -1;
  await vi.waitFor(
    async () => {
      const before = passed;
      passed = await gateway.metric('icapgw_bytes_total', { direction: 'sent' });
      expect(received.every((bytes) => bytes > 0)).toBe(true);
      expect(passed).toBe(before);
    },
    { timeout: 30_000, interval: 1500 },
  );
  expect(passed).toBeLessThan(CLIENTS * ANSWER_BYTES);
  expect(rssKb(gateway.pid)).toBeLessThan(MAX_RSS_KB);

  const ends = clients.map((client) => new Promise<void>((resolve) => client.once('end', resolve)));
  for (const client of clients) client.resume();
  await Promise.all(ends);
  expect(received).toEqual(received.map(() => ANSWER_BYTES));
  expect(rssKb(gateway.pid)).toBeLessThan(MAX_RSS_KB);
  for (const client of clients) client.destroy();
});
