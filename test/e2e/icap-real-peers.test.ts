import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startHttpOrigin } from '../_util/http-origin.ts';
import { hasClamAv, MARKER, startScanningServer, THREAT } from '../_util/icap-clamav.ts';
import { hasSquid, startSquid } from '../_util/icap-squid.ts';
import { createIcapVisitor } from '../_util/icap-visitor.ts';

const lab = certificates();
const CLEAN = 'harmless '.repeat(50);
const MARKED = `harmless ${MARKER} `;

describe.skipIf(!hasClamAv)('a c-icap that scans with clamd', () => {
  test('passes what is clean, blocks what bears the marker, and judges nothing while clamd is dead', async () => {
    await using server = await startScanningServer(lab.rsaServer, lab.ca.cert);
    await using visitor = createIcapVisitor({ port: server.port, path: '/virus_scan' });
    await using tlsVisitor = createIcapVisitor({ port: server.tlsPort, path: '/virus_scan', tls: lab.client });
    const passed = { verdict: 'allowed', status: 204 };
    for (const options of [{ allow204: true }, { allow204: true, previewBytes: 1024 }]) {
      expect(await visitor.visit(CLEAN, options)).toMatchObject(passed);
      expect(await visitor.visit(MARKED, options)).toMatchObject({
        verdict: 'blocked',
        threat: THREAT,
        httpStatus: 403,
      });
    }
    expect(await tlsVisitor.visit(CLEAN, { allow204: true })).toMatchObject(passed);
    expect(await visitor.visit(CLEAN, { method: 'RESPMOD' })).toMatchObject({ verdict: 'allowed', status: 200 });

    await server.clamd.kill();
    expect(await visitor.options()).toMatchObject({ status: 200, methods: ['RESPMOD', 'REQMOD'] });
    expect(await visitor.visit(CLEAN, { allow204: true })).toMatchObject({ verdict: 'error', status: 500 });
    await server.clamd.start();
    expect(await visitor.visit(CLEAN, { allow204: true })).toMatchObject(passed);

    await server.kill();
    await expect(createIcapVisitor({ port: server.port, path: '/virus_scan' }).options()).rejects.toThrow();
    await server.start();
    expect(await visitor.visit(CLEAN, { allow204: true })).toMatchObject(passed);
  });
});

// What the tests of the gateway rely on: these peers do the same without it.
describe.skipIf(!hasClamAv || !hasSquid)('squid asks a scanning c-icap', () => {
  test('about requests in clear, about responses over TLS with a client certificate', async () => {
    await using server = await startScanningServer(lab.rsaServer, lab.ca.cert);
    await using origin = await startHttpOrigin({ '/clean': CLEAN, '/marked': MARKED });
    const tls = { identity: lab.client, ca: lab.ca.cert };
    await using squid = await startSquid({
      reqmod: { port: server.port, path: '/virus_scan' },
      respmod: { port: server.tlsPort, path: '/virus_scan', tls },
    });
    expect(await squid.fetch(`${origin.url}/clean`)).toMatchObject({ status: 200, body: Buffer.from(CLEAN) });
    expect(await squid.fetch(`${origin.url}/marked`)).toMatchObject({ status: 403 });
    expect(await squid.fetch(`${origin.url}/form`, CLEAN)).toMatchObject({ status: 200 });
    expect(await squid.fetch(`${origin.url}/form`, MARKED)).toMatchObject({ status: 403 });
    expect(origin.received.map(String)).toEqual([CLEAN]);
    const outcomes = squid.transactions().map(({ method, outcome }) => `${method} ${outcome}`);
    expect(outcomes).toContain('REQMOD ICAP_SAT');
    expect(outcomes).toContain('RESPMOD ICAP_ECHO');

    await server.kill();
    expect(await squid.fetch(`${origin.url}/clean`)).toMatchObject({ status: 500, squidError: 'ERR_ICAP_FAILURE' });
    expect(squid.isRunning).toBe(true);
  });
});
