import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService, mutualTls, SCAN_PATH } from '../_util/e2e-icap.ts';
import { type HttpOrigin, startHttpOrigin } from '../_util/http-origin.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer, THREAT } from '../_util/icap-clamav.ts';
import { hasSquid, startSquid } from '../_util/icap-squid.ts';

const lab = certificates();
const PAGES = { '/text': 'harmless '.repeat(50), '/marked': `harmless ${MARKER} ` };

describe.skipIf(!hasClamAv || !hasSquid)('squid, through a tunnel to a c-icap that scans', () => {
  let server: ScanningServer;
  let gateway: RunningGateway;
  let origin: HttpOrigin;

  beforeAll(async () => {
    server = await startScanningServer(lab.rsaServer, lab.ca.cert);
    origin = await startHttpOrigin(PAGES);
    const backends = backendsOn([server]);
    gateway = await startGateway({
      workers: 1,
      services: [
        icapService('clear', backends, { protocol: 'tunnel' }),
        icapService('secure', backends, { protocol: 'tunnel', ...mutualTls() }),
      ],
    });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    for (const one of [origin, server]) await one?.[Symbol.asyncDispose]();
  });

  test.each(['clear', 'secure'] as const)('gets its verdicts over the %s service', async (name) => {
    const tls = name === 'secure' ? { tls: { identity: lab.client, ca: lab.ca.cert } } : {};
    const service = { port: gateway.port(name), path: SCAN_PATH, ...tls };
    await using squid = await startSquid({ reqmod: service, respmod: service });
    const page = await squid.fetch(`${origin.url}/text`);
    expect({ status: page.status, body: page.body.toString() }).toEqual({ status: 200, body: PAGES['/text'] });
    const marked = await squid.fetch(`${origin.url}/marked`);
    expect(marked.status).toBe(403);
    expect(marked.body.toString()).toContain(THREAT);
    expect((await squid.fetch(`${origin.url}/form`, PAGES['/text'])).status).toBe(200);
    expect((await squid.fetch(`${origin.url}/form`, PAGES['/marked'])).status).toBe(403);
    expect(squid.cacheLog()).not.toMatch(/exception|assertion|FATAL|essential ICAP service is down/i);
  });
});
