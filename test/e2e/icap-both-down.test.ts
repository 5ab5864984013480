import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService, SCAN_PATH } from '../_util/e2e-icap.ts';
import { type HttpOrigin, startHttpOrigin } from '../_util/http-origin.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer } from '../_util/icap-clamav.ts';
import { hasSquid, type Squid, type SquidAnswer, startSquid } from '../_util/icap-squid.ts';
import { createIcapVisitor, type VisitOptions } from '../_util/icap-visitor.ts';

const lab = certificates();
const POLICIES = ['bypass', 'block', 'error', 'reset'] as const;
type Policy = (typeof POLICIES)[number];

const SMALL = Buffer.from('harmless '.repeat(50));
/** More than squid buffers: it does not allow a 204 for it. */
const LARGE = randomBytes(300_000);
const ERROR = { status: 500, squidError: 'ERR_ICAP_FAILURE' };

const WAYS: readonly VisitOptions[] = (['REQMOD', 'RESPMOD'] as const).flatMap((method) => [
  { method },
  { method, allow204: true },
  { method, previewBytes: 1024 },
  { method, allow204: true, previewBytes: 0 },
]);

describe.skipIf(!hasClamAv || !hasSquid)('both c-icap are down', () => {
  let servers: readonly ScanningServer[];
  let origin: HttpOrigin;
  let gateway: RunningGateway;

  beforeAll(async () => {
    const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);
    servers = [await start(), await start()];
    origin = await startHttpOrigin({ '/small': SMALL, '/marked': MARKER });
    const backends = backendsOn(servers);
    gateway = await startGateway({
      workers: 2,
      services: POLICIES.map((policy) => icapService(policy, backends, { 'when-down': policy })),
    });
    for (const policy of POLICIES) {
      // While they are up the gateway learns what they say of themselves.
      await using visitor = createIcapVisitor({ port: gateway.port(policy), path: SCAN_PATH });
      expect(await visitor.options()).toMatchObject({ status: 200, previewBytes: 1024 });
    }
    for (const server of servers) await server.kill();
    for (const name of ['first', 'second']) {
      for (const policy of POLICIES) {
        await gateway.waitForEvent(
          'backend-state',
          ({ backend, service, to }) => backend === name && service === policy && to === 'down',
        );
      }
    }
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    for (const server of [origin, ...servers]) await server[Symbol.asyncDispose]();
  });

  async function fetchAll(squid: Squid): Promise<readonly SquidAnswer[]> {
    return [
      await squid.fetch(`${origin.url}/small`),
      await squid.fetch(`${origin.url}/form`, SMALL),
      await squid.fetch(`${origin.url}/form`, LARGE),
    ];
  }

  function startSquidBefore(policy: Policy, bypass = false): Promise<Squid> {
    const service = { port: gateway.port(policy), path: SCAN_PATH, bypass };
    return startSquid({ reqmod: service, respmod: service });
  }

  function expectPassed(answers: readonly SquidAnswer[]): void {
    expect(answers).toMatchObject([{ status: 200 }, { status: 200 }, { status: 200 }]);
    expect(answers[0]?.body.equals(SMALL)).toBe(true);
    expect(origin.received.at(-2)?.equals(SMALL)).toBe(true);
    expect(origin.received.at(-1)?.equals(LARGE)).toBe(true);
  }

  test('bypass: squid gets every document back as it was', async () => {
    await using squid = await startSquidBefore('bypass');
    expectPassed(await fetchAll(squid));
    expect(await squid.fetch(`${origin.url}/marked`)).toMatchObject({ status: 200 });
    expect(squid.transactions().filter(({ outcome }) => outcome.startsWith('ICAP_ERR'))).toEqual([]);
    expect(squid.isRunning).toBe(true);
    expect(await gateway.metric('icapgw_icap_verdicts_total', { service: 'bypass', verdict: 'bypassed' })).toBe(8);
  });

  test.each([false, true])(
    'block: squid shows the page of the gateway, whatever it may bypass (%s)',
    async (bypass) => {
      await using squid = await startSquidBefore('block', bypass);
      const before = origin.received.length;
      for (const answer of await fetchAll(squid)) {
        expect(answer).toMatchObject({ status: 403, squidError: undefined });
        expect(answer.body.toString()).toContain('<html');
      }
      expect(origin.received).toHaveLength(before);
      expect(squid.isRunning).toBe(true);
    },
  );

  test.each(['error', 'reset'] as const)('%s: squid shows its own error, and lives', async (policy) => {
    await using squid = await startSquidBefore(policy);
    expect(await fetchAll(squid)).toMatchObject([ERROR, ERROR, ERROR]);
    expect(squid.isRunning).toBe(true);
  });

  test.each(['error', 'reset'] as const)('%s: a squid that may go on without a scan does so', async (policy) => {
    // About a response it may have begun to send it never does.
    await using squid = await startSquid({ reqmod: { port: gateway.port(policy), path: SCAN_PATH, bypass: true } });
    expect(await squid.fetch(`${origin.url}/small`)).toMatchObject({ status: 200, body: SMALL });
    expect(squid.isRunning).toBe(true);
  });

  describe.each(WAYS)('$method with 204 allowed $allow204 and a preview of $previewBytes', (way) => {
    test.each([
      ['small', SMALL],
      ['large', LARGE],
    ])('a %s document', async (_, content) => {
      const visit = async (policy: Policy): Promise<unknown> => {
        await using visitor = createIcapVisitor({ port: gateway.port(policy), path: SCAN_PATH });
        return await visitor.visit(content.toString('latin1'), way).catch((error: unknown) => error);
      };
      const may204 = way.allow204 === true || way.previewBytes !== undefined;
      const status = may204 ? 204 : 200;
      expect(await visit('bypass')).toMatchObject({ verdict: 'allowed', status });
      expect(await visit('block')).toMatchObject({ verdict: 'blocked', status: 200, httpStatus: 403 });
      expect(await visit('error')).toMatchObject({
        verdict: 'error',
        status: expect.toSatisfy((code) => code === 502 || code === 503),
      });
      expect(await visit('reset')).toMatchObject({ code: 'ICAPGW_UPSTREAM_CLOSED' });
    });
  });

  test('options are still told', async () => {
    for (const policy of POLICIES) {
      await using visitor = createIcapVisitor({ port: gateway.port(policy), path: SCAN_PATH });
      expect(await visitor.options()).toMatchObject({ status: 200, previewBytes: 1024 });
    }
  });

  test('and when they are back, squid is served again without an error', async () => {
    await using squid = await startSquidBefore('error');
    expect(await squid.fetch(`${origin.url}/small`)).toMatchObject(ERROR);
    for (const server of servers) await server.start();
    for (const name of ['first', 'second']) {
      await gateway.waitForEvent(
        'backend-state',
        ({ backend, service, to }) => backend === name && service === 'error' && to === 'up',
      );
    }
    expectPassed(await fetchAll(squid));
    expect(await squid.fetch(`${origin.url}/marked`)).toMatchObject({ status: 403 });
  });
});
