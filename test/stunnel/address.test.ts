import { expect, test } from 'vitest';
import { readAddress } from '../../src/stunnel/address.ts';

const LISTEN = { defaultHost: '0.0.0.0', lowestPort: 0 } as const;

test.each([
  ['443', '0.0.0.0:443'],
  ['*:443', '0.0.0.0:443'],
  ['0', '0.0.0.0:0'],
  ['65535', '0.0.0.0:65535'],
  ['10.0.0.5:1344', '10.0.0.5:1344'],
  ['dlp_1.example:icap', 'dlp_1.example:1344'],
  ['icaps', '0.0.0.0:11344'],
  ['HTTPS', '0.0.0.0:443'],
  ['::1:443', '[::1]:443'],
  [':::443', '[::]:443'],
  ['[::1]:443', '[::1]:443'],
  ['fe80::1%eth0:443', '[fe80::1%eth0]:443'],
  ['/run/dlp.sock', 'unix:/run/dlp.sock'],
  [`/${'a'.repeat(106)}`, `unix:/${'a'.repeat(106)}`],
])('%s is %s', (written, address) => {
  expect(readAddress(written, LISTEN)).toEqual({ address });
});

test.each([
  '',
  ':443',
  '::1',
  '[::1]',
  '65536',
  '127.0.0.1:99999',
  '10.0.0.300:443',
  '10.0.1:443',
  '10.0.0.5:-1',
  '10.0.0.5: 443',
  '10.0.0.5:443 ; comment',
  'a b:443',
  'g::1:443',
  `${'a'.repeat(254)}:443`,
  'dlp.example',
  'dlp.example:ldap',
  `/${'a'.repeat(107)}`,
])('%j is not an address', (written) => {
  expect(readAddress(written, LISTEN)).toHaveProperty('problem');
});

test('a backend needs a port that is not 0', () => {
  const options = { defaultHost: 'localhost', lowestPort: 1 } as const;
  expect(readAddress('0', options)).toHaveProperty('problem');
  expect(readAddress('1', options)).toEqual({ address: 'localhost:1' });
});
