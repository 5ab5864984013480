import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { ClientAuth } from '../../src/tls/client-auth.ts';
import { createCrl } from '../../src/tls/generate.ts';
import { loadTrust } from '../../src/tls/trust.ts';
import { isTrustWithdrawn } from '../../src/tls/withdrawal.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { clientAuthConfig } from '../_util/tls-service.ts';

const lab = certificates();
const HOUR_MS = 60 * 60 * 1000;

interface Shown {
  readonly cert: string;
  readonly key: string;
}

/** The server's end of a connection whose client showed these certificates, which anybody here may. */
async function connectAs(shown: Shown | undefined) {
  const server = createTlsServer({
    ...{ cert: readFileSync(lab.server.cert), key: readFileSync(lab.server.key), requestCert: true },
    rejectUnauthorized: false,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const identity = shown && { cert: readFileSync(shown.cert), key: readFileSync(shown.key) };
  const client = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity });
  const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
  return {
    socket,
    async [Symbol.asyncDispose]() {
      client.destroy();
      socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Whether somebody who showed this would be let in no more where clients are judged like that. */
async function isWithdrawn(
  shown: Shown | undefined,
  settings: Parameters<typeof clientAuthConfig>[0],
): Promise<boolean> {
  await using connection = await connectAs(shown);
  const config = clientAuthConfig(settings);
  const trust = config.ca.length === 0 ? undefined : loadTrust(config);
  return isTrustWithdrawn(connection.socket, new ClientAuth(config, trust), trust);
}

const VIA_INTERMEDIATE: Shown = { cert: lab.viaIntermediateClient.chain, key: lab.viaIntermediateClient.key };

describe('a client that was let in', () => {
  test.each([
    ['whose CA is still there', lab.client, { ca: [lab.ca.cert] }],
    ['whose CA has others beside it', lab.client, { ca: [lab.otherCa.cert, lab.ca.cert] }],
    ['who is not on the list', lab.client, { ca: [lab.ca.cert], crl: [lab.crl] }],
    ['whose chain it sent ends at the CA', VIA_INTERMEDIATE, { ca: [lab.ca.cert] }],
    [
      'whose issuer is trusted beside the CA',
      lab.viaIntermediateClient,
      { ca: [lab.ca.cert, lab.intermediateCa.cert] },
    ],
    ['who is pinned', lab.client, { ca: [lab.client.cert] }],
    ['who is pinned beside a CA that is not its own', lab.client, { ca: [lab.otherCa.cert, lab.client.cert] }],
    ['who is nobody where a certificate is optional', undefined, { ca: [lab.ca.cert], mode: 'optional' as const }],
    ['where nobody is asked any more', lab.otherClient, { ca: [], mode: 'none' as const }],
  ])('%s stays', async (_, shown, settings) => {
    expect(await isWithdrawn(shown, settings)).toBe(false);
  });

  test.each([
    ['whose CA is gone', lab.otherClient, { ca: [lab.ca.cert] }],
    ['who is on the list', lab.revokedClient, { ca: [lab.ca.cert], crl: [lab.crl] }],
    ['who has expired', lab.expiredClient, { ca: [lab.ca.cert] }],
    ['who is not pinned any more', lab.secondClient, { ca: [lab.client.cert] }],
    ['whose pin is there and whose CA is not', lab.otherClient, { ca: [lab.ca.cert, lab.client.cert] }],
    [
      'whose pin is there, whose CA is not, and both are asked for',
      lab.client,
      { ca: [lab.otherCa.cert, lab.client.cert], trust: 'chain' as const, chainAndPin: true },
    ],
    ['who showed nothing where that is required now', undefined, { ca: [lab.ca.cert] }],
    ['who signed for itself', lab.selfSignedClient, { ca: [lab.ca.cert] }],
    ['whose issuer is there without its root', VIA_INTERMEDIATE, { ca: [lab.otherCa.cert, lab.intermediateCa.cert] }],
  ])('%s has to go', async (_, shown, settings) => {
    expect(await isWithdrawn(shown, settings)).toBe(true);
  });

  test('whose issuer is on the list has to go', async () => {
    const crl = createCrl({
      issuer: {
        certificatePem: readFileSync(lab.ca.cert, 'utf8'),
        privateKey: createPrivateKey(readFileSync(lab.ca.key)),
      },
      revokedSerials: [new X509Certificate(readFileSync(lab.intermediateCa.cert)).serialNumber],
      thisUpdateMs: Date.now() - HOUR_MS,
      nextUpdateMs: Date.now() + HOUR_MS,
    });
    using folder = createConfigFolder({ 'root.crl': crl });
    expect(await isWithdrawn(VIA_INTERMEDIATE, { ca: [lab.ca.cert], crl: [`${folder.path}/root.crl`] })).toBe(true);
  });

  test('whose name is allowed no more has to go', async () => {
    const allow = (san: string) => ({ ca: [lab.ca.cert], allow: { subjects: [], sans: [san], spkiSha256: [] } });
    expect(await isWithdrawn(lab.client, allow('DNS:client.example'))).toBe(false);
    expect(await isWithdrawn(lab.client, allow('DNS:another.example'))).toBe(true);
  });
});
