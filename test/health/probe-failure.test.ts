import { describe, expect, test } from 'vitest';
import { UpstreamError } from '../../src/errors.ts';
import { problemOf } from '../../src/health/probe-failure.ts';

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 10.0.0.5:1344`), { code, errno: -1, syscall: 'connect' });
}

describe('the reason of a failed probe', () => {
  test.each([
    { code: 'ECONNREFUSED', reason: 'refused' },
    { code: 'ENOENT', reason: 'refused' },
    { code: 'ETIMEDOUT', reason: 'timeout' },
    { code: 'ECONNRESET', reason: 'reset' },
    { code: 'EHOSTUNREACH', reason: 'unreachable' },
    { code: 'EMFILE', reason: 'local' },
    { code: 'EADDRNOTAVAIL', reason: 'local' },
    { code: 'EPROTO', reason: 'tls' },
    { code: 'ERR_SSL_WRONG_VERSION_NUMBER', reason: 'tls' },
    { code: 'ENOTFOUND', reason: 'resolve' },
  ])('$code is $reason, bare or wrapped by the dialer', ({ code, reason }) => {
    const bare = systemError(code);
    const wrapped = new UpstreamError('ICAPGW_UPSTREAM_CONNECT', { backend: 'dlp-1', cause: bare });
    for (const error of [bare, wrapped]) {
      expect(problemOf(error)).toEqual({ reason, detail: `connect ${code} 10.0.0.5:1344` });
    }
  });

  test('the word of the dialer counts more than the cause it gives', () => {
    const cause = systemError('ECONNRESET');
    const error = new UpstreamError('ICAPGW_UPSTREAM_HANDSHAKE', { backend: 'dlp-1', cause });
    expect(problemOf(error)).toEqual({ reason: 'tls', detail: 'connect ECONNRESET 10.0.0.5:1344' });
  });

  test('a certificate that does not verify is told by its reason', () => {
    const cause = Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' });
    const error = new UpstreamError('ICAPGW_UPSTREAM_HANDSHAKE', { backend: 'dlp-1', cause });
    expect(problemOf(error)).toEqual({ reason: 'tls', detail: 'certificate has expired' });
  });

  test('an error of the dialer with an unknown cause is about the backend still', () => {
    const error = new UpstreamError('ICAPGW_UPSTREAM_CONNECT', { backend: 'dlp-1', cause: new Error('odd') });
    expect(problemOf(error)).toMatchObject({ reason: 'unreachable' });
  });

  test('anything else is thrown on', () => {
    const mistake = new TypeError('x is not a function');
    expect(() => problemOf(mistake)).toThrow(mistake);
    expect(() => problemOf('text')).toThrow();
  });
});
