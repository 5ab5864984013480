import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService, SCAN_PATH } from '../_util/e2e-icap.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer } from '../_util/icap-clamav.ts';
import { createIcapVisitor, type VisitOptions } from '../_util/icap-visitor.ts';

const lab = certificates();
const CONTENT = 'harmless '.repeat(1000);
const CLIENTS = 4;
const WAYS: readonly VisitOptions[] = (['REQMOD', 'RESPMOD'] as const).flatMap((method) => [
  { method },
  { method, allow204: true },
  { method, allow204: true, previewBytes: 1024 },
]);

/** Visits from several clients, each document in each way; what failed. */
async function visitAll(gateway: RunningGateway, turns: number): Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      await using visitor = createIcapVisitor({ port: gateway.port('icap'), path: SCAN_PATH });
      for (let turn = 0; turn < turns; turn += 1) {
        for (const way of WAYS) {
          const clean = await visitor.visit(CONTENT, way).catch(String);
          if (typeof clean === 'string' || clean.verdict !== 'allowed') failures.push({ way, clean });
          const marked = await visitor.visit(CONTENT + MARKER, way).catch(String);
          if (typeof marked === 'string' || marked.verdict !== 'blocked') failures.push({ way, marked });
        }
      }
    }),
  );
  return failures;
}

describe.skipIf(!hasClamAv)('a c-icap whose clamd is dead still says that all is well', () => {
  const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);

  test('and its 500 costs no request: the other one is asked, and it is left alone for a while', async () => {
    await using first = await start();
    await using second = await start();
    const more = { retry: '5xx', outliers: { 'consecutive-failures': 5, eject: '500ms' } };
    await using gateway = await startGateway({ services: [icapService('icap', backendsOn([first, second]), more)] });
    await second.clamd.kill();

    expect(await visitAll(gateway, 5)).toEqual([]);
    const ejected = await gateway.waitForEvent('backend-state', ({ to }) => to === 'ejected');
    expect(ejected).toMatchObject({ backend: 'second' });
    expect(await gateway.metric('icapgw_icap_retries_total', { reason: '5xx' })).toBeGreaterThanOrEqual(5);
    const down = gateway.events.filter(
      (event) => event.event === 'backend-state' && 'to' in event && event.to === 'down',
    );
    expect(down).toEqual([]);

    await second.clamd.start();
    const scanned = (): Promise<number> =>
      gateway.metric('icapgw_icap_requests_total', { backend: 'second', status: '204' });
    while ((await scanned()) === 0) expect(await visitAll(gateway, 1)).toEqual([]);
  });

  test('and a deep check finds out', async () => {
    await using first = await start();
    await using second = await start();
    const health = { type: 'icap', path: SCAN_PATH, interval: '200ms', timeout: '2s', rise: 1, fall: 1, deep: 'on' };
    const more = { health, retry: '5xx' };
    await using gateway = await startGateway({ services: [icapService('icap', backendsOn([first, second]), more)] });
    expect(await visitAll(gateway, 1)).toEqual([]);

    await second.clamd.kill();
    const down = await gateway.waitForEvent('backend-state', ({ to }) => to === 'down');
    expect(down).toMatchObject({ backend: 'second', reason: expect.stringContaining('500') });
    const before = await gateway.metric('icapgw_icap_requests_total', { backend: 'second' });
    expect(await visitAll(gateway, 1)).toEqual([]);
    expect(await gateway.metric('icapgw_icap_requests_total', { backend: 'second' })).toBe(before);

    await second.clamd.start();
    await gateway.waitForEvent('backend-state', ({ from, to }) => from === 'down' && to === 'up');
  });
});
