import type { SecureVersion } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { problemOfError, problemOfVerification } from '../../src/tls/handshake-failure.ts';
import { sendPlain, visit } from '../_util/tls-client.ts';
import { startTlsService, type TlsServiceOptions } from '../_util/tls-service.ts';

const OPEN: TlsServiceOptions = { clientAuth: { mode: 'none' } };

describe('bytes that are not TLS', () => {
  test.each([
    ['HTTP GET', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['HTTP HEAD', 'HEAD / HTTP/1.0\r\n\r\n'],
    ['HTTP CONNECT', 'CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['ICAP OPTIONS', 'OPTIONS icap://localhost/ ICAP/1.0\r\nHost: localhost\r\n\r\n'],
    ['ICAP REQMOD', 'REQMOD icap://localhost/x ICAP/1.0\r\nHost: localhost\r\nEncapsulated: null-body=0\r\n\r\n'],
    ['ICAP RESPMOD', 'RESPMOD icap://localhost/x ICAP/1.0\r\nHost: localhost\r\n\r\n'],
    ['a PROXY header', 'PROXY TCP4 192.0.2.1 192.0.2.2 1000 1344\r\n'],
    ['zeros', Buffer.alloc(64)],
    ['garbage', Buffer.alloc(64, 0x7f)],
  ])('%s is plain text', async (_, bytes) => {
    await using service = await startTlsService(OPEN);
    await sendPlain(service.port, bytes);
    expect(await service.outcome()).toMatchObject({ kind: 'failed', problem: { reason: 'plain-text' } });
  });

  test('a record that promises a hello and holds none is a breach of the protocol', async () => {
    await using service = await startTlsService(OPEN);
    await sendPlain(service.port, Buffer.from('160301000401000000', 'hex'));
    expect(await service.outcome()).toMatchObject({ kind: 'failed', problem: { reason: 'protocol' } });
  });
});

describe('sides that have nothing in common', () => {
  const failure = async (options: TlsServiceOptions, client: Parameters<typeof visit>[0]['more'] = {}) => {
    await using service = await startTlsService({ ...OPEN, ...options });
    const { text } = await visit({ port: service.port, more: client });
    expect(text).toBe('');
    return service.outcome();
  };
  const only = (version: SecureVersion) => ({ minVersion: version, maxVersion: version });

  test('a client of TLS 1.1 has too old a version', async () => {
    const client = { ...only('TLSv1.1'), ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await failure({}, client)).toMatchObject({ problem: { reason: 'version' } });
  });

  test('so has a client of TLS 1.2 where 1.3 is asked for', async () => {
    expect(await failure({ tls: { minVersion: 'TLSv1.3' } }, only('TLSv1.2'))).toMatchObject({
      problem: { reason: 'version', detail: expect.stringContaining('unsupported protocol') },
    });
  });

  test('a client of TLS 1.3 does not fit where 1.2 is the newest', async () => {
    expect(await failure({ tls: { maxVersion: 'TLSv1.2' } }, only('TLSv1.3'))).toMatchObject({
      problem: { reason: 'version' },
    });
  });

  test('no cipher of TLS 1.2', async () => {
    const client = { ...only('TLSv1.2'), ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' };
    expect(await failure({ tls: { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } }, client)).toMatchObject({
      problem: { reason: 'cipher', detail: expect.stringContaining('no shared cipher') },
    });
  });

  test('no suite of TLS 1.3', async () => {
    const client = { ...only('TLSv1.3'), ciphers: 'TLS_AES_256_GCM_SHA384' };
    expect(await failure({ tls: { ciphersuites: 'TLS_AES_128_GCM_SHA256' } }, client)).toMatchObject({
      problem: { reason: 'cipher' },
    });
  });

  test('no group of TLS 1.3', async () => {
    const client = { ...only('TLSv1.3'), ecdhCurve: 'P-256' };
    expect(await failure({ tls: { groups: 'X25519' } }, client)).toMatchObject({ problem: { reason: 'cipher' } });
  });
});

describe('names of what went wrong', () => {
  const withCode = (code: string, reason?: string) => Object.assign(new Error('text'), { code, reason });

  test.each([
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'client-alert'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'client-alert'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'client-alert'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'version'],
    ['ERR_SSL_BAD_SIGNATURE', 'protocol'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['', 'protocol'],
  ])('%j is %s', (code, reason) => {
    expect(problemOfError(withCode(code)).reason).toBe(reason);
  });

  test('an error without a code is a breach of the protocol', () => {
    expect(problemOfError(new Error('odd'))).toEqual({ reason: 'protocol', detail: 'odd' });
  });

  test("the detail is OpenSSL's own words", () => {
    expect(problemOfError(withCode('ERR_SSL_X', 'tlsv1 alert unknown ca')).detail).toBe(
      'tlsv1 alert unknown ca (ERR_SSL_X)',
    );
    expect(problemOfError(withCode('ECONNRESET')).detail).toBe('text (ECONNRESET)');
  });

  test('a verdict of its own name has its own reason, any other is told as it is', () => {
    expect(problemOfVerification('CERT_REVOKED')).toEqual({ reason: 'revoked', detail: 'certificate revoked' });
    expect(problemOfVerification('PATH_LENGTH_EXCEEDED')).toEqual({
      reason: 'bad-certificate',
      detail: 'PATH_LENGTH_EXCEEDED',
    });
  });
});
