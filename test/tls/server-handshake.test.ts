import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { assertRuntimeSupport } from '../../src/tls/server-handshake.ts';
import { certificates } from '../_util/certificates.ts';
import { dialTls, VERSIONS, visit } from '../_util/tls-client.ts';
import { opensslClient } from '../_util/tls-openssl.ts';
import { GREETING, startTlsService, type TlsServiceOptions } from '../_util/tls-service.ts';

const lab = certificates();
const MUTUAL: TlsServiceOptions = { clientAuth: { ca: [lab.ca.cert] } };

test('this runtime has what judging clients needs', () => {
  expect(assertRuntimeSupport).not.toThrow();
});

describe('a client without a certificate', () => {
  test.each([
    ['TLSv1.2', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
    ['TLSv1.3', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
  ] as const)('gets the alert of %s', async (version, alert) => {
    await using service = await startTlsService(MUTUAL);
    expect(await visit({ port: service.port, version })).toMatchObject({ text: '', error: alert });
    expect(await service.outcome()).toMatchObject({ kind: 'failed', problem: { reason: 'no-certificate' } });
  });

  test.each(VERSIONS)('passes in %s where one is optional', async (version) => {
    await using service = await startTlsService({ clientAuth: { ca: [lab.ca.cert], mode: 'optional' } });
    expect((await visit({ port: service.port, version })).text).toBe(GREETING);
    expect(await service.outcome()).toMatchObject({ kind: 'accepted', certificate: undefined });
  });
});

describe('a client that refuses our certificate', () => {
  test.each(['-tls1_2', '-tls1_3'])('is told by its alert (openssl %s)', async (version) => {
    await using service = await startTlsService({ clientAuth: { mode: 'none' } });
    await opensslClient(service.port, version, '-verify_return_error', '-CAfile', lab.otherCa.cert);
    expect(await service.outcome()).toMatchObject({
      kind: 'failed',
      problem: { reason: 'client-alert', detail: expect.stringContaining('unknown ca') },
    });
  });
});

describe('a client that goes away before the handshake is over', () => {
  test('with FIN, without a byte', async () => {
    await using service = await startTlsService(MUTUAL);
    connect(service.port, '127.0.0.1')
      .on('error', () => undefined)
      .end();
    expect(await service.outcome()).toMatchObject({ kind: 'left' });
  });

  test('with FIN, in the middle of its hello', async () => {
    await using service = await startTlsService(MUTUAL);
    const socket = connect(service.port, '127.0.0.1').on('error', () => undefined);
    socket.end(Buffer.from('1603010200010001fc0303', 'hex'));
    expect(await service.outcome()).toMatchObject({ kind: 'left' });
  });

  test('with RST', async () => {
    await using service = await startTlsService(MUTUAL);
    const socket = connect(service.port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(Buffer.from('160301', 'hex'), () => socket.resetAndDestroy());
    const outcome = await service.outcome();
    expect(outcome.kind === 'failed' ? outcome.problem.reason : outcome.kind).toBe('reset');
  });
});

test('a client may not renegotiate', async () => {
  await using service = await startTlsService(MUTUAL);
  const socket = dialTls({ port: service.port, identity: lab.client, version: 'TLSv1.2' });
  await once(socket, 'data');
  const { promise, resolve } = Promise.withResolvers<Error | null>();
  socket.renegotiate({}, resolve);
  socket.once('error', resolve);
  expect(await promise).toMatchObject({ code: expect.stringContaining('NO_RENEGOTIATION') });
  socket.destroy();
});
