import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { accessLines, backendsOn, icapService, mutualTls, SCAN_PATH } from '../_util/e2e-icap.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer, THREAT } from '../_util/icap-clamav.ts';
import { createIcapVisitor, type IcapVisitor } from '../_util/icap-visitor.ts';

const lab = certificates();
const FILLING = 'harmless '.repeat(40_000);

/** Within the preview, beyond the preview, and with the finding at either end. */
const DOCUMENTS = [
  { name: 'a short one', content: 'harmless', isClean: true },
  { name: 'a long one', content: FILLING, isClean: true },
  { name: 'a short marked one', content: `harmless ${MARKER}`, isClean: false },
  { name: 'a long one marked at its start', content: `${MARKER} ${FILLING}`, isClean: false },
  { name: 'a long one marked at its end', content: `${FILLING} ${MARKER}`, isClean: false },
];

const WAYS = (['REQMOD', 'RESPMOD'] as const).flatMap((method) =>
  [true, false].flatMap((allow204) => [
    { method, allow204, previewBytes: 1024 },
    { method, allow204, previewBytes: 0 },
    { method, allow204 },
  ]),
);

describe.skipIf(!hasClamAv)('two c-icap that scan, for a client with a certificate', () => {
  let servers: readonly ScanningServer[];
  let gateway: RunningGateway;
  let visitor: IcapVisitor;

  beforeAll(async () => {
    const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);
    servers = [await start(), await start()];
    const { secondClient: identity, ca } = lab;
    const [first, second] = servers;
    const backends = [
      { name: 'clear', address: `127.0.0.1:${first?.port}` },
      {
        name: 'secure',
        address: `localhost:${second?.tlsPort}`,
        tls: { ca: ca.cert, cert: identity.cert, key: identity.key },
      },
    ];
    gateway = await startGateway({ log: { access: '-' }, services: [icapService('icap', backends, mutualTls())] });
    visitor = createIcapVisitor({ port: gateway.port('icap'), path: SCAN_PATH, tls: lab.client });
  });
  afterAll(async () => {
    await visitor[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
    for (const server of servers) await server[Symbol.asyncDispose]();
  });

  describe.each(WAYS)('$method with 204 allowed $allow204 and a preview of $previewBytes', (way) => {
    test.each(DOCUMENTS)('$name', async ({ content, isClean }) => {
      // Twice, so that both of them judge it.
      for (let turn = 0; turn < 2; turn += 1) {
        const visit = await visitor.visit(content, way);
        if (isClean) expect(visit).toMatchObject({ verdict: 'allowed' });
        else expect(visit).toMatchObject({ verdict: 'blocked', threat: THREAT, status: 200, httpStatus: 403 });
        // Where it may not say 204 it sends everything back.
        if (isClean && visit.status !== 204) expect(visit).toMatchObject({ status: 200, bodyChanged: false });
      }
    });
  });

  test('all of it on one connection, half of it by each of them', async () => {
    expect(visitor.connectionCount).toBe(1);
    const requests = 2 * WAYS.length * DOCUMENTS.length;
    const lines = await vi.waitUntil(() => {
      const some = accessLines(gateway);
      return some.length >= requests && some;
    });
    expect(lines).toHaveLength(requests);
    expect(lines.filter(({ backend }) => backend === 'clear')).toHaveLength(lines.length / 2);
    expect(lines.filter(({ backend }) => backend === 'secure')).toHaveLength(lines.length / 2);
    expect(lines.filter(({ subject }) => subject === 'CN=client')).toHaveLength(lines.length);
    expect(lines.filter(({ attempt }) => attempt > 1)).toEqual([]);
  });

  test('options are those of the scanners', async () => {
    const { status, methods, previewBytes, maxConnections } = await visitor.options();
    expect({ status, methods: methods.toSorted(), previewBytes }).toEqual({
      status: 200,
      methods: ['REQMOD', 'RESPMOD'],
      previewBytes: 1024,
    });
    expect(maxConnections).not.toBe(0);
  });
});

test.skipIf(!hasClamAv)('a document above the limit is answered by the policy for it', async () => {
  await using server = await startScanningServer(lab.rsaServer, lab.ca.cert);
  const backends = backendsOn([server]);
  const limits = { body: '100KiB' };
  await using gateway = await startGateway({
    services: (['bypass', 'block'] as const).map((policy) =>
      icapService(policy, backends, { limits, 'on-oversize': policy }),
    ),
  });
  for (const { method, allow204, previewBytes } of WAYS) {
    const way = { method, allow204, ...(previewBytes === undefined ? {} : { previewBytes }) };
    await using passing = createIcapVisitor({ port: gateway.port('bypass'), path: SCAN_PATH });
    expect(await passing.visit(`${FILLING} ${MARKER}`, way)).toMatchObject({ verdict: 'allowed' });
    await using blocking = createIcapVisitor({ port: gateway.port('block'), path: SCAN_PATH });
    expect(await blocking.visit(FILLING, way)).toMatchObject({ verdict: 'blocked', httpStatus: 403 });
    expect(await blocking.visit('harmless', way)).toMatchObject({ verdict: 'allowed' });
  }
});
