import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseSha256 } from '../../src/tls/fingerprint.ts';

const digest = createHash('sha256').update('a public key').digest();
const hex = digest.toString('hex');

test.each([
  { name: 'hex', text: hex },
  { name: 'hex as openssl prints it', text: hex.toUpperCase().replace(/..(?=.)/g, '$&:') },
  { name: 'base64', text: digest.toString('base64') },
  { name: 'base64 without padding', text: digest.toString('base64').replace('=', '') },
  { name: 'the form curl takes', text: `sha256//${digest.toString('base64')}` },
  { name: 'the form ssh prints', text: `SHA256:${digest.toString('base64')}` },
  { name: 'hex with blanks around it', text: ` ${hex}\n` },
])('a SHA-256 is read from $name', ({ text }) => {
  expect(parseSha256(text)).toBe(hex);
});

test.each(['', 'sha256:', hex.slice(1), `${hex}0`, digest.subarray(1).toString('base64'), 'client.example'])(
  'what is no SHA-256 is refused: %j',
  (text) => {
    expect(parseSha256(text)).toBeUndefined();
  },
);
