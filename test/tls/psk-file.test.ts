import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadPskFile, type PskFile } from '../../src/tls/psk-file.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

const TEXT = 'abcdefghijklmnop';
const HEX = '00112233445566778899aabbccddeeff';

function load(content: string | Uint8Array): PskFile {
  using folder = createConfigFolder({ psk: content });
  const file = join(folder.path, 'psk');
  chmodSync(file, 0o600);
  return loadPskFile(file);
}

function keysIn(content: string): Readonly<Record<string, string>> {
  return Object.fromEntries(load(content).lines.map(({ identity, keyHex }) => [identity, keyHex]));
}

describe('a file of pre-shared keys', () => {
  test.each([
    ['hexadecimal digits are the bytes they stand for', `a:${HEX}`, HEX],
    ['with colons too', `a:${HEX.replaceAll(/(..)(?=.)/g, '$1:')}`, HEX],
    ['in capitals too', `a:${HEX.toUpperCase()}`, HEX],
    ['any other text is its own bytes', `a:${TEXT}`, Buffer.from(TEXT).toString('hex')],
    ['blanks are part of the key', `a: ${TEXT} `, Buffer.from(` ${TEXT} `).toString('hex')],
    ['a colon may be part of the key', `a:x:${TEXT}`, Buffer.from(`x:${TEXT}`).toString('hex')],
    ['an odd number of digits is text', `a:${HEX}0`, Buffer.from(`${HEX}0`).toString('hex')],
  ])('%s', (_, content, keyHex) => {
    expect(keysIn(content)).toEqual({ a: keyHex });
  });

  test('has a line for each identity, in order, and may have empty ones', () => {
    const { lines } = load(`b:${HEX}\r\n\r\na b:${TEXT}\r\n\nü:${HEX}`);
    expect(lines.map(({ identity }) => identity)).toEqual(['b', 'a b', 'ü']);
  });

  test('has identities of up to 255 bytes and keys of up to 256', () => {
    const identity = `${'é'.repeat(127)}a`;
    expect(keysIn(`${identity}:${'x'.repeat(256)}`)).toEqual({ [identity]: '78'.repeat(256) });
  });

  test('that is not there is not told to be no text', () => {
    expect(() => loadPskFile('/no/such/psk')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('UTF-8') }),
    );
  });

  test.each([
    ['a line without a colon', `a:${TEXT}\n${TEXT}`, 'PSKsecrets line 2: Not in identity:key format'],
    ['a line without an identity', `:${TEXT}`, 'PSKsecrets line 1: Not in identity:key format'],
    ['a key of 15 bytes', `a:${TEXT.slice(1)}`, 'PSKsecrets line 1: Key shorter than 16 bytes'],
    ['a hexadecimal key of 15 bytes', `\n\na:${HEX.slice(2)}`, 'PSKsecrets line 3: Key shorter than 16 bytes'],
    ['a key of 257 bytes', `a:${'x'.repeat(257)}`, 'PSKsecrets line 1: Key longer than 256 bytes'],
    [
      'an identity of 256 bytes',
      `${'é'.repeat(128)}:${TEXT}`,
      'PSKsecrets line 1: Identity longer than 255 characters',
    ],
    ['an identity with a control character', `a\tb:${TEXT}`, 'PSKsecrets line 1: Identity with a control character'],
    ['an identity twice', `a:${TEXT}\na:${HEX}`, 'has the identity "a" twice'],
    ['nothing', '\n\n', 'holds no IDENTITY:KEY line'],
    ['other text than UTF-8', Buffer.from(`\xe4:${TEXT}`, 'latin1'), 'is not text in UTF-8'],
  ])('with %s is refused, and no key is repeated', (_, content, message) => {
    expect(() => load(content)).toThrow(expect.objectContaining({ message: expect.stringContaining(message) }));
    expect(() => load(content)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/bcdefgh|2233|xxxx/) }),
    );
  });

  test('is another one with another key or another identity, and not by its layout', () => {
    const { hash } = load(`a:${HEX}`);
    expect(load(`\na:${HEX.toUpperCase()}\r\n`).hash).toBe(hash);
    expect(load(`a:${TEXT}`).hash).not.toBe(hash);
    expect(load(`b:${HEX}`).hash).not.toBe(hash);
  });

  test.skipIf(process.platform === 'win32')('that every account can read is told of', () => {
    using folder = createConfigFolder({ psk: `a:${HEX}` });
    const file = join(folder.path, 'psk');
    chmodSync(file, 0o640);
    expect(loadPskFile(file).warnings).toEqual([]);
    chmodSync(file, 0o604);
    expect(loadPskFile(file).warnings).toEqual([expect.stringContaining('chmod 600')]);
  });
});
