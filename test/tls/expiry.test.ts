import { describe, expect, test } from 'vitest';
import type { CertificateSummary } from '../../src/tls/certificate.ts';
import type { CrlSummary } from '../../src/tls/crl.ts';
import { listExpiries } from '../../src/tls/expiry.ts';

const DAY = 24 * 60 * 60 * 1000;
const NOW = Date.UTC(2026, 10, 21, 12);

const certificate = (subject: string, notAfterMs: number): CertificateSummary => ({
  subject,
  issuer: 'CN=ca',
  notBeforeMs: 0,
  notAfterMs,
  serial: '01',
  fingerprint256: subject,
  spkiSha256: '',
  isCa: false,
  selfSigned: false,
});

const crl = (thisUpdateMs: number, nextUpdateMs: number | undefined): CrlSummary => ({
  file: 'crl.pem',
  issuer: 'CN=ca',
  thisUpdateMs,
  nextUpdateMs,
  fingerprint256: '',
});

const NOTHING = { server: [], clientCa: [], backendClient: [], backendCa: [], crl: [] };
const serverAt = (notAfterMs: number) =>
  listExpiries({ ...NOTHING, server: [certificate('CN=a', notAfterMs)] }, NOW)[0];
const crlAt = (thisUpdateMs: number, nextUpdateMs: number) =>
  listExpiries({ ...NOTHING, crl: [crl(thisUpdateMs, nextUpdateMs)] }, NOW)[0];

test('what ends first comes first, whatever its kind', () => {
  const material = {
    server: [certificate('CN=server', NOW + 3 * DAY), certificate('CN=intermediate', NOW + DAY)],
    clientCa: [certificate('CN=client-ca', NOW + 2 * DAY)],
    backendClient: [certificate('CN=to-backends', NOW + 5 * DAY)],
    backendCa: [certificate('CN=backend-ca', NOW + 6 * DAY)],
    crl: [crl(NOW, NOW + 4 * DAY)],
  };
  expect(listExpiries(material, NOW).map(({ kind, subject, days }) => [kind, subject, days])).toEqual([
    ['server', 'CN=intermediate', 1],
    ['client-ca', 'CN=client-ca', 2],
    ['server', 'CN=server', 3],
    ['crl', 'CN=ca', 4],
    ['backend-client', 'CN=to-backends', 5],
    ['backend-ca', 'CN=backend-ca', 6],
  ]);
});

test('what several backends use is told once', () => {
  const shared = certificate('CN=shared', NOW + DAY);
  const material = { ...NOTHING, backendClient: [shared, shared], backendCa: [shared, { ...shared }] };
  expect(listExpiries(material, NOW).map(({ kind }) => kind)).toEqual(['backend-client', 'backend-ca']);
});

describe('a certificate is due', () => {
  test.each([
    { name: 'not thirty days before its end', notAfterMs: NOW + 30 * DAY, days: 30, isDue: false },
    { name: 'a millisecond later', notAfterMs: NOW + 30 * DAY - 1, days: 29, isDue: true },
    { name: 'on its last day', notAfterMs: NOW + 1, days: 0, isDue: true },
    { name: 'after its end', notAfterMs: NOW - 1, days: -1, isDue: true },
  ])('$name: $isDue', ({ notAfterMs, days, isDue }) => {
    expect(serverAt(notAfterMs)).toEqual({ kind: 'server', subject: 'CN=a', notAfterMs, days, isDue });
  });
});

describe('a revocation list is due in the last tenth of its life', () => {
  test.each([
    { name: 'a weekly one three days before', from: NOW - 4 * DAY, to: NOW + 3 * DAY, isDue: false },
    { name: 'a weekly one half a day before', from: NOW - 6.5 * DAY, to: NOW + 0.5 * DAY, isDue: true },
    { name: 'one of ten years, forty days before', from: NOW - 3610 * DAY, to: NOW + 40 * DAY, isDue: false },
    { name: 'one that is over', from: NOW - 7 * DAY, to: NOW - 1, isDue: true },
  ])('$name: $isDue', ({ from, to, isDue }) => {
    expect(crlAt(from, to)).toMatchObject({ kind: 'crl', isDue });
  });
});

test('a list that does not say when it ends never ends', () => {
  expect(listExpiries({ ...NOTHING, crl: [crl(NOW, undefined)] }, NOW)).toEqual([]);
});
