import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startTlsRecordingBackend } from '../_util/e2e-backend.ts';
import { greet } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { startProbedServer } from '../_util/health-server.ts';

function sha256(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex');
}

/** A gateway in clear towards its clients whose backends are given as `[port, tls]`. */
function startBefore(...backends: readonly (readonly [{ readonly port: number }, object])[]): Promise<RunningGateway> {
  return startImpatient('1h', ...backends);
}

/** The same with a limit for the handshake. */
function startImpatient(
  handshakeTimeout: string,
  ...backends: readonly (readonly [{ readonly port: number }, object])[]
): Promise<RunningGateway> {
  return startGateway({
    workers: 1,
    services: [
      {
        name: 'icap',
        listen: '127.0.0.1:0',
        protocol: 'tunnel',
        tls: 'off',
        timeouts: { handshake: handshakeTimeout },
        health: { type: 'none' },
        backends: backends.map(([{ port }, tls], priority) => ({
          name: `dlp-${priority + 1}`,
          address: `127.0.0.1:${port}`,
          priority,
          tls,
        })),
      },
    ],
  });
}

async function greetThrough(gateway: RunningGateway): Promise<boolean> {
  return (await greet(connect({ host: '127.0.0.1', port: gateway.port('icap') }))).isServed;
}

describe('a backend is served', () => {
  test.each<readonly [string, () => object]>([
    ['that the CA vouches for, by the address', () => ({ ca: certificates().ca.cert })],
    ['that the CA vouches for, by server-name', () => ({ ca: certificates().ca.cert, 'server-name': 'localhost' })],
    ['whose certificate is pinned', () => ({ 'pin-sha256': sha256(serverCertificate().raw) })],
    [
      'whose key is pinned',
      () => ({ 'pin-sha256': sha256(serverCertificate().publicKey.export({ type: 'spki', format: 'der' })) }),
    ],
    ['that is not verified because the operator said so', () => ({ verify: false })],
  ])('%s', async (_, tls) => {
    await using backend = await startTlsRecordingBackend(certificates().server);
    await using gateway = await startBefore([backend, tls()]);
    expect(await greetThrough(gateway)).toBe(true);
    expect(backend.received.map(String)).toEqual(['hello\n']);
  });
});

describe('a backend is refused, told why, and the next one is tried, when', () => {
  test.each<readonly [string, () => object, RegExp]>([
    ['its CA is another', () => ({ ca: certificates().otherCa.cert }), /unable to (?:get|verify)/],
    ['its name is another', () => ({ ca: certificates().ca.cert, 'server-name': 'dlp.example' }), /dlp\.example/],
    ['its pin is another', () => ({ 'pin-sha256': '0'.repeat(64) }), /none of the pinned/],
  ])('%s', async (_, tls, why) => {
    await using wrong = await startTlsRecordingBackend(certificates().server);
    await using right = await startTlsRecordingBackend(certificates().server);
    await using gateway = await startBefore([wrong, tls()], [right, { ca: certificates().ca.cert }]);
    expect(await greetThrough(gateway)).toBe(true);
    expect(await gateway.waitForEvent('backend-failed')).toMatchObject({
      backend: 'dlp-1',
      reason: 'tls',
      detail: expect.stringMatching(why),
      next: true,
    });
    expect(await gateway.metric('icapgw_backend_connections_total', { backend: 'dlp-1', result: 'tls' })).toBe(1);
    // Nothing of the client's went to who is not the backend.
    expect(wrong.received.join('')).toBe('');
    expect(right.received.map(String)).toEqual(['hello\n']);
  });
});

test('with no backend that proves itself the client is cut', async () => {
  await using backend = await startTlsRecordingBackend(certificates().selfSignedServer);
  await using gateway = await startBefore([backend, { ca: certificates().ca.cert }]);
  expect(await greetThrough(gateway)).toBe(false);
  expect(await gateway.waitForEvent('connection-closed')).toMatchObject({ reason: 'no-backend' });
  expect(backend.received.join('')).toBe('');
});

test('a backend that never finishes TLS is given up when its time is over', async () => {
  await using silent = await startProbedServer();
  await using right = await startTlsRecordingBackend(certificates().server);
  const tls = { ca: certificates().ca.cert };
  await using gateway = await startImpatient('100ms', [silent, tls], [right, tls]);
  expect(await greetThrough(gateway)).toBe(true);
  expect(await gateway.waitForEvent('backend-failed')).toMatchObject({
    backend: 'dlp-1',
    reason: 'timeout',
    next: true,
  });
});

function serverCertificate(): X509Certificate {
  return new X509Certificate(readFileSync(certificates().server.cert));
}
