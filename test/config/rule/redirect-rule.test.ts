import { describe, expect, test } from 'vitest';
import { problemsOf, readConfig, type ServiceText, serviceText } from '../../_util/config-text.ts';

const WARNING =
  '5 warning: services[0].tls.client-auth.redirect: clients without a certificate, and with one that is not trusted, get through to 10.0.0.9:80';

function redirecting(clientAuth: string, more: ServiceText = {}): ServiceText {
  return { tls: `{ cert: a.pem, client-auth: { ca: ca.pem, ${clientAuth} } }`, ...more };
}

describe('a service that redirects', () => {
  test('is told once where strangers get to', () => {
    expect(problemsOf(redirecting('redirect: 10.0.0.9:80'))).toEqual([WARNING]);
    expect(problemsOf(redirecting('redirect: [10.0.0.9:80, sorry.example:81]'))).toEqual([
      `${WARNING}, sorry.example:81`,
    ]);
  });

  test('is a tunnel', () => {
    expect(problemsOf(redirecting('redirect: 10.0.0.9:80', { protocol: 'icap' }))).toEqual([
      '5 error: services[0].tls.client-auth.redirect: needs protocol tunnel: an ICAP client would take the answers from there for verdicts',
    ]);
  });

  test.each(['optional', 'none'])('wants a certificate of everybody, and does not go with mode %s', (mode) => {
    expect(problemsOf(redirecting(`mode: ${mode}, redirect: 10.0.0.9:80`))).toContainEqual(
      `5 error: services[0].tls.client-auth.redirect: needs mode require; with mode ${mode} nobody is missing a certificate`,
    );
  });

  test('verifies it', () => {
    expect(problemsOf(redirecting('verify: false, redirect: 10.0.0.9:80'))).toContainEqual(
      '5 error: services[0].tls.client-auth.redirect: needs certificates that are verified; name a ca and remove verify',
    );
  });

  test('does not send strangers to its backends', () => {
    expect(problemsOf(redirecting('redirect: [10.0.0.9:80, 10.0.0.5:1344]'))).toEqual([
      '5 error: services[0].tls.client-auth.redirect: 10.0.0.5:1344 is a backend too (line 7): clients would get there without verification',
    ]);
  });

  test('nor where the same address is written in another way', () => {
    const text = serviceText(redirecting('redirect: "[2001:DB8:0::5]:1344"'));
    expect(readConfig(text.replace('10.0.0.5:1344', '"[2001:db8::5]:1344"')).problems).toEqual([
      expect.stringContaining('[2001:DB8:0::5]:1344 is a backend too (line 7)'),
    ]);
  });

  test('has a second name, which no other service has', () => {
    const other = serviceText()
      .replace('services:\n', '')
      .replace('name: dlp', 'name: dlp redirect')
      .replace('11344', '11345');
    expect(readConfig(serviceText(redirecting('redirect: 10.0.0.9:80')) + other).problems).toContainEqual(
      '8 error: services[1].name: "dlp redirect" is what the service for redirected clients of "dlp" is called',
    );
  });
});

test('an order without a redirection has no effect', () => {
  expect(problemsOf(redirecting('redirect-balance: round-robin'))).toEqual([
    '5 warning: services[0].tls.client-auth.redirect-balance: has no effect without redirect',
  ]);
});
