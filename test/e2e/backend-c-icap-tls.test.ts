import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { type CIcap, hasCIcap, startCIcap } from '../_util/icap-c-icap.ts';

const lab = certificates();
const AT_ONCE = 4;
const ROUNDS = 3;

// It gives out sessions, and breaks off handshakes in which they come back: it has no session id context.
describe.skipIf(!hasCIcap)('a real c-icap that asks for certificates over TLS', () => {
  let server: CIcap;
  beforeAll(async () => {
    server = await startCIcap(lab.rsaServer, lab.ca.cert);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each(['tunnel', 'icap'])('serves every connection of a gateway in mode %s', async (protocol) => {
    const { cert, key } = lab.rsaClient;
    const backend = { address: `127.0.0.1:${server.tlsPort}`, name: 'c-icap', tls: { ca: lab.ca.cert, cert, key } };
    const service = icapService('echo', [backend], {
      protocol,
      health: { type: 'icap', path: '/echo' },
      tls: { cert: lab.server.cert, key: lab.server.key, 'client-auth': { mode: 'none' } },
      retry: 'never',
    });
    await using gateway = await startGateway({ workers: 1, services: [service] });
    const url = `icaps://localhost:${gateway.port('echo')}/echo`;
    const ask = async (): Promise<number | undefined> =>
      (await runCli(['probe', url, '--ca', lab.ca.cert], addProbeCommand, { cwd: '/' })).exitCode;
    for (let round = 0; round < ROUNDS; round += 1) {
      const codes = await Promise.all(Array.from({ length: AT_ONCE }, ask));
      expect(codes).toEqual(codes.map(() => 0));
    }
  });
});
