import { expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { accessLines, backendsOn, icapService, mutualTls, SCAN_PATH } from '../_util/e2e-icap.ts';
import { startHttpOrigin } from '../_util/http-origin.ts';
import { hasClamAv, startScanningServer } from '../_util/icap-clamav.ts';
import { hasSquid, startSquid } from '../_util/icap-squid.ts';
import { createIcapVisitor, type VisitOptions } from '../_util/icap-visitor.ts';

const lab = certificates();
const KILLS = 5;
const VISITORS = 6;
const FETCHERS = 4;
/** Between a kill and the start after it, and before the next kill. */
const VISITS_BETWEEN = 100;
const SMALL = 'harmless '.repeat(50);
const LARGE = 'harmless '.repeat(10_000);

/** With 204 allowed: an answer with a body that has begun dies with its backend, and nobody can mend that. */
const WAYS: readonly VisitOptions[] = (['REQMOD', 'RESPMOD'] as const).flatMap((method) => [
  { method, allow204: true },
  { method, allow204: true, previewBytes: 1024 },
]);

test.skipIf(!hasClamAv || !hasSquid)(
  'one of two c-icap is killed again and again: no request fails, squid shows no error',
  async () => {
    await using stable = await startScanningServer(lab.rsaServer, lab.ca.cert);
    await using doomed = await startScanningServer(lab.rsaServer, lab.ca.cert);
    await using origin = await startHttpOrigin({ '/small': SMALL });
    const backends = backendsOn([stable, doomed]);
    // It is back before the next kill.
    const more = { outliers: { eject: '500ms' } };
    await using gateway = await startGateway({
      workers: 2,
      log: { access: '-' },
      services: [icapService('clear', backends, more), icapService('secure', backends, { ...more, ...mutualTls() })],
    });
    const service = { port: gateway.port('clear'), path: SCAN_PATH };
    await using squid = await startSquid({ reqmod: service, respmod: service });
    let isOver = false;
    let visits = 0;
    let fetches = 0;
    const failures: unknown[] = [];
    const visitor = async (index: number): Promise<void> => {
      const secure = { port: gateway.port('secure'), path: SCAN_PATH, tls: lab.client };
      await using client = createIcapVisitor(index % 2 === 0 ? secure : service);
      for (let turn = index; !isOver; turn += 1) {
        const way = WAYS[turn % WAYS.length];
        const visit = await client.visit(turn % 3 === 0 ? LARGE : SMALL, way).catch(String);
        visits += 1;
        if (typeof visit === 'string' || visit.verdict !== 'allowed') failures.push({ way, visit });
      }
    };
    const fetcher = async (index: number): Promise<void> => {
      for (let turn = index; !isOver; turn += 1) {
        const [path, body] = [['/small'], ['/form', SMALL], ['/form', LARGE]][turn % 3] ?? [];
        const answer = await squid.fetch(`${origin.url}${path}`, body);
        fetches += 1;
        if (answer.status !== 200) failures.push({ path, status: answer.status, error: answer.squidError });
      }
    };
    const load = Promise.all([
      ...Array.from({ length: VISITORS }, (_, index) => visitor(index)),
      ...Array.from({ length: FETCHERS }, (_, index) => fetcher(index)),
    ]);
    const loaded = async (count: number): Promise<void> => {
      const from = { visits, fetches };
      await vi.waitUntil(() => visits >= from.visits + count && fetches >= from.fetches + count / 4, {
        timeout: 20_000,
        interval: 10,
      });
    };
    const askedOfDoomed = (): Promise<number> => gateway.metric('icapgw_icap_requests_total', { backend: 'second' });

    try {
      for (let kill = 0; kill < KILLS; kill += 1) {
        const asked = await askedOfDoomed();
        await vi.waitFor(async () => expect(await askedOfDoomed()).toBeGreaterThan(asked + 20), { timeout: 10_000 });
        await loaded(VISITS_BETWEEN);
        await doomed.kill();
        await loaded(VISITS_BETWEEN);
        await doomed.start();
      }
    } finally {
      isOver = true;
      await load;
    }
    expect(failures).toEqual([]);
    expect(squid.isRunning).toBe(true);
    expect(squid.transactions().filter(({ outcome }) => outcome.startsWith('ICAP_ERR'))).toEqual([]);
    // It was under way with it when it died.
    const retried = accessLines(gateway).filter(({ retryReason, attempt }) => retryReason !== null && attempt > 1);
    expect(retried.length).toBeGreaterThanOrEqual(KILLS);
    expect(new Set(retried.map(({ verdict }) => verdict))).toEqual(new Set(['allowed']));
  },
);
