import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HandshakeFailure } from '../../src/observe/labels.ts';
import type { CertificateLab, LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { greetWithOpenssl, greetWithStunnel, type Visit } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { createFolder } from '../_util/observe-log.ts';

type Who = keyof { [K in keyof CertificateLab as CertificateLab[K] extends LabIdentity ? K : never]: true };

const FAILURES = 'icapgw_tls_handshake_failures_total';

let backend: RecordingBackend;
let gateway: RunningGateway;

beforeAll(async () => {
  const { server, ca, crl, client } = certificates();
  backend = await startRecordingBackend();
  const service = (name: string, clientAuth: object): object => ({
    name,
    listen: '127.0.0.1:0',
    protocol: 'tunnel',
    tls: { cert: server.combined, 'client-auth': clientAuth },
    health: { type: 'none' },
    backends: [{ address: `127.0.0.1:${backend.port}` }],
  });
  gateway = await startGateway({
    workers: 2,
    services: [
      service('chain', { ca: ca.cert }),
      service('crl', { ca: ca.cert, crl }),
      service('pin', { ca: client.cert }),
      service('allow', { ca: ca.cert, allow: { sans: ['DNS:client.example'] } }),
    ],
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

const CLIENTS: Readonly<Record<string, (port: number, identity?: LabIdentity) => Promise<Visit>>> = {
  'openssl over TLS 1.2': (port, identity) => greetWithOpenssl(port, '-tls1_2', ...shown(identity)),
  'openssl over TLS 1.3': (port, identity) => greetWithOpenssl(port, '-tls1_3', ...shown(identity)),
  stunnel: greetWithStunnel,
};

function shown(identity: LabIdentity | undefined): string[] {
  return identity === undefined ? [] : ['-cert', identity.cert, '-key', identity.key];
}

const ACCEPTED: readonly (readonly [string, Who])[] = [
  ['chain', 'client'],
  ['chain', 'secondClient'],
  // Revoked, but this service has no list.
  ['chain', 'revokedClient'],
  ['crl', 'client'],
  ['pin', 'client'],
  ['allow', 'client'],
];

const REFUSED: readonly (readonly [string, Who | undefined, HandshakeFailure])[] = [
  ['chain', undefined, 'no-certificate'],
  ['chain', 'otherClient', 'unknown-ca'],
  ['chain', 'selfSignedClient', 'self-signed'],
  ['chain', 'expiredClient', 'expired'],
  ['chain', 'serverOnlyClient', 'wrong-purpose'],
  ['chain', 'viaIntermediateClient', 'unknown-ca'],
  ['crl', 'revokedClient', 'revoked'],
  ['crl', 'selfSignedClient', 'self-signed'],
  ['pin', undefined, 'no-certificate'],
  ['pin', 'secondClient', 'not-pinned'],
  ['pin', 'otherClient', 'not-pinned'],
  ['allow', 'secondClient', 'not-allowed'],
];

describe.each(Object.entries(CLIENTS))('%s', (_, visit) => {
  test.each(ACCEPTED)('service %s serves %s', async (service, who) => {
    const { isServed, output } = await visit(gateway.port(service), certificates()[who]);
    expect(isServed, output).toBe(true);
  });

  test.each(REFUSED)('service %s refuses %s: %s', async (service, who, reason) => {
    const connections = backend.received.length;
    const failures = await gateway.metric(FAILURES, { service, reason });
    const told = gateway.events.length;
    const identity = who === undefined ? undefined : certificates()[who];
    const { isServed, output } = await visit(gateway.port(service), identity);
    expect(isServed, output).toBe(false);
    const logged = await gateway.waitForEvent('handshake-failed', (event) => gateway.events.indexOf(event) >= told);
    expect(logged).toMatchObject({ service, reason, ...(identity && described(identity)) });
    expect(await gateway.metric(FAILURES, { service, reason })).toBe(failures + 1);
    expect(backend.received.length).toBe(connections);
  });
});

function described({ cert }: LabIdentity): { readonly subject: string; readonly fingerprint: string } {
  const { subject, fingerprint256 } = new X509Certificate(readFileSync(cert));
  return { subject, fingerprint: fingerprint256.replaceAll(':', '').toLowerCase() };
}

describe.each(['-tls1_2', '-tls1_3'])('a session of openssl %s', (version) => {
  test('is resumed on either worker', async () => {
    const { client } = certificates();
    await using folder = await createFolder();
    const session = folder.file('session');
    const first = await greetWithOpenssl(gateway.port('chain'), version, ...shown(client), '-sess_out', session);
    expect(first.output).toContain('New, TLS');
    // The kernel chooses the worker by the client's port: of twenty visits each gets some.
    for (let turn = 0; turn < 20; turn += 1) {
      const again = await greetWithOpenssl(gateway.port('chain'), version, ...shown(client), '-sess_in', session);
      expect(again.isServed, again.output).toBe(true);
      expect(again.output).toContain('Reused, TLS');
    }
  });

  test('opens no service with another policy', async () => {
    const { secondClient } = certificates();
    await using folder = await createFolder();
    const session = folder.file('session');
    const args = [version, ...shown(secondClient)];
    await greetWithOpenssl(gateway.port('chain'), ...args, '-sess_out', session);
    for (const service of ['pin', 'allow']) {
      const { isServed, output } = await greetWithOpenssl(gateway.port(service), ...args, '-sess_in', session);
      expect(isServed, output).toBe(false);
    }
  });
});
