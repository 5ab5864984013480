import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { readUntil } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { startBulkServer, startBulkUpload } from '../_util/icap-bulk.ts';
import { hasCIcap, startCIcap } from '../_util/icap-c-icap.ts';
import { HTTP_GET, reqmod } from '../_util/icap-script-message.ts';

const GB = 1024 ** 3;
const MAX_RSS_KB = 400 * 1024;
const CLIENTS = 2000;
/** Half of the threads that c-icap has. */
const BACKEND_CONNECTIONS = 20;

/** The most memory that it has ever had at a time. */
function peakRssKb({ pid }: RunningGateway): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Of the first backend of the first service. */
async function backendConnections({ adminUrl }: RunningGateway): Promise<{ active: number; idle: number }> {
  const response = await fetch(`${adminUrl}/api/v1/status`);
  const { services } = (await response.json()) as {
    services: readonly { backends: readonly { active: number; idle: number }[] }[];
  };
  return services[0]?.backends[0] ?? { active: Number.NaN, idle: Number.NaN };
}

describe.runIf(process.platform === 'linux')('memory', () => {
  test('does not grow with 1 GB that goes up and comes back at once, nor with a client that stops reading', async () => {
    await using server = await startBulkServer();
    const backends = [{ address: `127.0.0.1:${server.port}` }];
    await using gateway = await startGateway({
      services: [icapService('icap', backends, { health: { type: 'none' } })],
      log: { level: 'info' },
    });
    const upload = startBulkUpload(gateway.port('icap'), '/bulk', GB);
    await vi.waitUntil(() => upload.receivedBytes > 0);
    upload.pause();
    // Nothing moves any more: all buffers on the way are full.
    let passed = -1;
    await vi.waitFor(
      async () => {
        const before = passed;
        passed = await gateway.metric('icapgw_bytes_total', { direction: 'received' });
        expect(passed).toBe(before);
      },
      { timeout: 10_000, interval: 1200 },
    );
    expect(passed).toBeLessThan(GB / 4);
    expect(peakRssKb(gateway)).toBeLessThan(MAX_RSS_KB);
    upload.resume();
    await upload.done;
    expect(upload.receivedBytes).toBe(GB);
    expect(peakRssKb(gateway)).toBeLessThan(MAX_RSS_KB);
  });
});

describe.skipIf(!hasCIcap)('clients', () => {
  test('2000 at once are served by a c-icap with 40 threads, and hold none of its connections while idle', async () => {
    const lab = certificates();
    await using server = await startCIcap(lab.rsaServer, lab.ca.cert);
    const backends = [{ address: `127.0.0.1:${server.port}`, 'max-connections': BACKEND_CONNECTIONS }];
    await using gateway = await startGateway({
      workers: 2,
      services: [
        icapService('icap', backends, {
          limits: { connections: CLIENTS, queue: CLIENTS, 'queue-timeout': '30s' },
          health: { type: 'icap', path: '/echo', interval: '1s' },
        }),
      ],
      log: { level: 'info' },
    });
    const port = gateway.port('icap');
    const request = reqmod({ path: '/echo', lines: ['Allow: 204'], 'req-hdr': HTTP_GET });
    const clients: Socket[] = Array.from({ length: CLIENTS }, () => connect({ host: '127.0.0.1', port }));
    const ask = (): Promise<readonly string[]> =>
      Promise.all(
        clients.map((client) => {
          client.write(request);
          return readUntil(client, '\r\n\r\n');
        }),
      );
    try {
      const answers = await ask();
      expect(answers.filter((answer) => !answer.startsWith('ICAP/1.0 20'))).toEqual([]);
      expect(await gateway.metric('icapgw_connections_active')).toBe(CLIENTS);
      await vi.waitFor(async () => {
        const { active, idle } = await backendConnections(gateway);
        expect(active).toBe(0);
        expect(idle).toBeLessThanOrEqual(BACKEND_CONNECTIONS);
      });
      // Those that have been idle are served as before.
      expect((await ask()).filter((answer) => !answer.startsWith('ICAP/1.0 20'))).toEqual([]);
      expect(peakRssKb(gateway)).toBeLessThan(MAX_RSS_KB);
    } finally {
      for (const client of clients) client.destroy();
    }
  });
});
