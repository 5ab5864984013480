import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { accessLines, backendsOn, icapService, mutualTls, SCAN_PATH } from '../_util/e2e-icap.ts';
import { type HttpOrigin, startHttpOrigin } from '../_util/http-origin.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer, THREAT } from '../_util/icap-clamav.ts';
import { hasSquid, type Squid, type SquidService, startSquid } from '../_util/icap-squid.ts';

const lab = certificates();
const TEXT = 'harmless '.repeat(50);
const LARGE = randomBytes(3 * 1024 * 1024);
const LARGE_MARKED = Buffer.concat([LARGE.subarray(0, 300_000), Buffer.from(MARKER)]);
/** No larger than squid's buffer: squid 5.7 hangs when a response fills it before it was judged (its bug 5352). */
const PAGES = { '/text': TEXT, '/empty': '', '/marked': `harmless ${MARKER} ` };

describe.skipIf(!hasClamAv || !hasSquid)('squid, before two c-icap that scan', () => {
  let servers: readonly ScanningServer[];
  let gateway: RunningGateway;
  let origin: HttpOrigin;

  beforeAll(async () => {
    const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);
    servers = [await start(), await start()];
    origin = await startHttpOrigin(PAGES);
    const backends = backendsOn(servers);
    gateway = await startGateway({
      workers: 2,
      log: { access: '-' },
      services: [icapService('clear', backends), icapService('secure', backends, mutualTls())],
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    for (const server of [origin, ...servers]) await server[Symbol.asyncDispose]();
  });

  /** What squid is to be told about one service of the gateway. */
  function serviceOf(name: 'clear' | 'secure', identity = lab.client): SquidService {
    const common = { port: gateway.port(name), path: SCAN_PATH };
    return name === 'clear' ? common : { ...common, tls: { identity, ca: lab.ca.cert } };
  }

  describe.each(['clear', 'secure'] as const)('asks the %s service', (name) => {
    let squid: Squid;

    beforeAll(async () => {
      squid = await startSquid({ reqmod: serviceOf(name), respmod: serviceOf(name) });
    });
    afterAll(() => squid[Symbol.asyncDispose]());

    test.each(['/text', '/empty'] as const)('and lets the page %s pass', async (path) => {
      const { status, body } = await squid.fetch(origin.url + path);
      expect(status).toBe(200);
      expect(body.equals(Buffer.from(PAGES[path]))).toBe(true);
    });

    test('and blocks the page /marked', async () => {
      const { status, body } = await squid.fetch(`${origin.url}/marked`);
      expect(status).toBe(403);
      expect(body.toString()).toContain(THREAT);
    });

    test.each([
      ['short', Buffer.from(TEXT)],
      ['empty', Buffer.alloc(0)],
      ['large', LARGE],
    ])('and lets a %s upload pass', async (_, body) => {
      expect(await squid.fetch(`${origin.url}/form`, body)).toMatchObject({ status: 200 });
      expect(origin.received.at(-1)?.equals(body)).toBe(true);
    });

    test.each([
      ['short', Buffer.from(`harmless ${MARKER} `)],
      ['large', LARGE_MARKED],
    ])('and blocks a %s upload', async (_, body) => {
      const before = origin.received.length;
      const answer = await squid.fetch(`${origin.url}/form`, body);
      expect(answer.status).toBe(403);
      expect(answer.body.toString()).toContain(THREAT);
      expect(origin.received).toHaveLength(before);
    });

    test('without an error of either, by both scanners', async () => {
      await vi.waitFor(() => {
        const outcomes = squid.transactions().map(({ method, outcome, status }) => `${method} ${outcome} ${status}`);
        const wanted = ['OPTIONS ICAP_OPT 200', 'REQMOD ICAP_ECHO 204', 'RESPMOD ICAP_ECHO 204', 'REQMOD ICAP_SAT 200'];
        expect(outcomes).toEqual(expect.arrayContaining([...wanted, 'RESPMOD ICAP_MOD 200']));
        expect(outcomes.filter((outcome) => outcome.includes('ICAP_ERR'))).toEqual([]);
      });
      expect(squid.cacheLog()).not.toMatch(/exception|assertion|FATAL|essential ICAP service is down/i);
      const lines = accessLines(gateway).filter((line) => line.service === name && line.method !== 'OPTIONS');
      expect(new Set(lines.map(({ backend }) => backend))).toEqual(new Set(['first', 'second']));
      expect(new Set(lines.map(({ verdict }) => verdict))).toEqual(new Set(['allowed', 'blocked']));
      const blocked = lines.filter(({ verdict }) => verdict === 'blocked');
      expect(blocked.map(({ threat }) => threat)).toEqual(blocked.map(() => THREAT));
      expect(blocked.map(({ http }) => http)).toContain(`GET ${origin.url}/marked`);
      expect(await gateway.metric('icapgw_icap_verdicts_total', { service: name, verdict: 'blocked' })).toBe(3);
      expect(await gateway.metric('icapgw_icap_verdicts_total', { service: name, verdict: 'error' })).toBe(0);
    });
  });

  test('gets nothing scanned with a certificate that the gateway does not know', async () => {
    const service = serviceOf('secure', lab.otherClient);
    await using squid = await startSquid({ reqmod: service });
    expect(await squid.fetch(`${origin.url}/text`)).toMatchObject({ status: 500, squidError: 'ERR_ICAP_FAILURE' });
    await gateway.waitForEvent('handshake-failed');
  });
});
