import { expect, test } from 'vitest';
import { addressBytes, parseSubjectAltName } from '../../src/tls/subject-alt-name.ts';

test.each([
  { written: 'DNS:icap.example.com', name: { kind: 'DNS', text: 'icap.example.com' } },
  { written: ' dns: icap.example.com ', name: { kind: 'DNS', text: 'icap.example.com' } },
  { written: 'icap.example.com', name: { kind: 'DNS', text: 'icap.example.com' } },
  { written: '*.example.com', name: { kind: 'DNS', text: '*.example.com' } },
  { written: 'host_1', name: { kind: 'DNS', text: 'host_1' } },
  { written: 'DNS:münchen.example', name: { kind: 'DNS', text: 'xn--mnchen-3ya.example' } },
  { written: '192.0.2.1', name: { kind: 'IP', text: '192.0.2.1' } },
  { written: 'IP:2001:db8::1', name: { kind: 'IP', text: '2001:db8::1' } },
  { written: '::1', name: { kind: 'IP', text: '::1' } },
  { written: 'email:icap@example.com', name: { kind: 'EMAIL', text: 'icap@example.com' } },
  { written: 'URI:spiffe://example/icap', name: { kind: 'URI', text: 'spiffe://example/icap' } },
])('a name is read from $written', ({ written, name }) => {
  expect(parseSubjectAltName(written)).toEqual(name);
});

test.each([
  '',
  'DNS:',
  'DNS:192.0.2.1',
  'DNS:a..b',
  'DNS:a b',
  'DNS:a*b.example',
  `DNS:${'a'.repeat(64)}.example`,
  `DNS:${'a.'.repeat(127)}`,
  'IP:192.0.2',
  'IP:host',
  'EMAIL:nobody',
  'URI:nothing',
  'other:value',
])('%j is no name', (written) => {
  expect(parseSubjectAltName(written)).toBeUndefined();
});

test.each([
  { address: '192.0.2.1', hex: 'c0000201' },
  { address: '::', hex: '00'.repeat(16) },
  { address: '::1', hex: `${'00'.repeat(15)}01` },
  { address: '2001:db8::', hex: `20010db8${'00'.repeat(12)}` },
  { address: '1:2:3:4:5:6:7:8', hex: '00010002000300040005000600070008' },
  { address: '::ffff:192.0.2.1', hex: `${'00'.repeat(10)}ffffc0000201` },
])('the bytes of $address are $hex', ({ address, hex }) => {
  expect(addressBytes(address).toString('hex')).toBe(hex);
});
