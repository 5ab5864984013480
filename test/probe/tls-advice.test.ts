import { describe, expect, test } from 'vitest';
import { explainTlsError } from '../../src/probe/tls-advice.ts';

function explain(code: string, hasClientCert = false, extra: object = {}): string | undefined {
  return explainTlsError(Object.assign(new Error('x'), { code, ...extra }), { host: 'gw.example', hasClientCert });
}

describe('errors of TLS are explained', () => {
  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', '--ca FILE'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', '--ca FILE'],
    ['CERT_HAS_EXPIRED', 'has expired'],
    ['CERT_NOT_YET_VALID', 'compare the clocks'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'Try icap://'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'give one with --cert and --key'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'give one with --cert and --key'],
    ['ERR_SSL_SOMETHING_ELSE', 'the handshake failed (ERR_SSL_SOMETHING_ELSE)'],
  ])('%s', (code, text) => {
    expect(explain(code)).toContain(text);
  });

  test('a refusal reads otherwise for who showed a certificate', () => {
    expect(explain('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', true)).toContain(
      'does not accept the certificate given with --cert',
    );
  });

  test.each([
    [{ cert: { subjectaltname: 'DNS:a.example', subject: { CN: 'b' } } }, 'for DNS:a.example, not for gw.example'],
    [{ cert: { subject: { CN: 'b.example' } } }, 'for b.example, not for gw.example'],
    [{}, 'for another name, not for gw.example'],
  ])('a name that does not fit is told with those that would: %j', (extra, text) => {
    expect(explain('ERR_TLS_CERT_ALTNAME_INVALID', false, extra)).toContain(text);
  });

  test('other errors are left to others', () => {
    expect(explain('ECONNRESET')).toBeUndefined();
    expect(explainTlsError(undefined, { host: 'h', hasClientCert: false })).toBeUndefined();
  });
});
