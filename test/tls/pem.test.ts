import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TlsMaterialError } from '../../src/errors.ts';
import { derOf, loadPem, splitPem, toPem } from '../../src/tls/pem.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

const KEY = toPem('PRIVATE KEY', Buffer.from('a private key of more than one line of base64 text'));
const CERT = toPem('CERTIFICATE', Buffer.from('a certificate'));

const labels = (text: string | Buffer): string[] => splitPem('f.pem', Buffer.from(text)).map(({ label }) => label);

describe('a PEM file is cut into its blocks', () => {
  test.each([
    { name: 'key first, as the Linux guide has it', text: KEY + CERT, found: ['PRIVATE KEY', 'CERTIFICATE'] },
    { name: 'certificate first, as the Windows guide has it', text: CERT + KEY, found: ['CERTIFICATE', 'PRIVATE KEY'] },
    {
      name: 'appended twice',
      text: KEY + CERT + KEY + CERT,
      found: ['PRIVATE KEY', 'CERTIFICATE', 'PRIVATE KEY', 'CERTIFICATE'],
    },
    { name: 'with CRLF', text: (KEY + CERT).replaceAll('\n', '\r\n'), found: ['PRIVATE KEY', 'CERTIFICATE'] },
    { name: 'after a byte order mark', text: `\uFEFF${CERT}`, found: ['CERTIFICATE'] },
    { name: 'between lines of text', text: `Bag Attributes\n  name: x\n${CERT}subject=CN=x\n`, found: ['CERTIFICATE'] },
    { name: 'without a last newline', text: CERT.trimEnd(), found: ['CERTIFICATE'] },
    { name: 'glued together by cat', text: CERT.trimEnd() + KEY, found: ['CERTIFICATE', 'PRIVATE KEY'] },
    { name: 'in the UTF-16 of PowerShell', text: Buffer.from(`\uFEFF${CERT}`, 'utf16le'), found: ['CERTIFICATE'] },
  ])('$name', ({ text, found }) => {
    expect(labels(text)).toEqual(found);
  });

  test('each block carries only itself, and the line it begins on', () => {
    const blocks = splitPem('f.pem', Buffer.from(`text\n\n${KEY}more\n${CERT}`));
    expect(blocks.map(({ text }) => text)).toEqual([KEY, CERT]);
    expect(blocks.map(({ line }) => line)).toEqual([3, 3 + KEY.split('\n').length]);
  });

  test('1000 blocks are taken and one more is not', () => {
    expect(labels(CERT.repeat(1000))).toHaveLength(1000);
    expect(() => labels(CERT.repeat(1001))).toThrow('f.pem: holds more than 1000 PEM blocks');
  });

  test('any bytes give blocks or a TlsMaterialError', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(KEY, CERT, '-----BEGIN ', '-----END CERTIFICATE-----', '-----', '\n', '\uFEFF')
        .map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        try {
          for (const block of splitPem('f.pem', Buffer.concat(pieces))) derOf(block);
        } catch (error) {
          expect(error).toBeInstanceOf(TlsMaterialError);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

test('DER survives the way into PEM and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const [block] = splitPem('f.pem', Buffer.from(toPem('CERTIFICATE', bytes)));
      expect(block && derOf(block)).toEqual(Buffer.from(bytes));
    }),
    { seed: 1, numRuns: 100 },
  );
});

test('a body that is not base64 has no DER', () => {
  const [block] = splitPem('f.pem', Buffer.from(CERT.replace('\n', '\n*')));
  expect(block && derOf(block)).toBeUndefined();
});

describe('a file that is not PEM is refused with the way out', () => {
  const { server } = certificates();
  const convert = (...args: string[]): Buffer => {
    using folder = createConfigFolder({});
    const out = `${folder.path}/out`;
    expect(openssl(...args, '-out', out)).toMatchObject({ exitCode: 0 });
    return readFileSync(out);
  };

  test.each([
    { name: 'no bytes', bytes: () => Buffer.alloc(0), text: /: is empty$/ },
    { name: 'only blanks', bytes: () => Buffer.from(' \r\n\n'), text: /: is empty$/ },
    { name: 'garbage', bytes: () => Buffer.from('hello'), text: /holds no PEM block/ },
    {
      name: 'a cut off block',
      bytes: () => Buffer.from(`\n${CERT.slice(0, 40)}`),
      text: /the CERTIFICATE that begins on line 2 has no END line/,
    },
    {
      name: 'a certificate in DER',
      bytes: () => convert('x509', '-in', server.cert, '-outform', 'DER'),
      text: /is DER .* openssl x509 -inform DER -in ".*server\.p12" -out ".*server\.pem"/,
    },
    {
      name: 'a key in DER',
      bytes: () => convert('pkey', '-in', server.key, '-outform', 'DER'),
      text: /is DER .* openssl pkey -inform DER/,
    },
    {
      name: 'PKCS#12',
      bytes: () => convert('pkcs12', '-export', '-in', server.cert, '-inkey', server.key, '-passout', 'pass:x'),
      text: /is PKCS#12 .* openssl pkcs12 -in ".*server\.p12" -nodes -out ".*server\.pem"/,
    },
  ])('$name', ({ bytes, text }) => {
    using folder = createConfigFolder({ 'server.p12': bytes() });
    expect(() => loadPem(`${folder.path}/server.p12`)).toThrow(text);
  });

  test('the conversion it names works', () => {
    const pfx = convert('pkcs12', '-export', '-in', server.cert, '-inkey', server.key, '-passout', 'pass:');
    using folder = createConfigFolder({ 's.p12': pfx });
    openssl('pkcs12', '-in', `${folder.path}/s.p12`, '-nodes', '-out', `${folder.path}/s.pem`, '-passin', 'pass:');
    expect(
      loadPem(`${folder.path}/s.pem`)
        .map(({ label }) => label)
        .sort(),
    ).toEqual(['CERTIFICATE', 'PRIVATE KEY']);
  });
});

describe('a path that cannot be read is refused by name', () => {
  test.each([
    { name: 'a missing file', path: '/nowhere/x.pem', text: '/nowhere/x.pem: there is no such file' },
    { name: 'a folder', path: '/tmp', text: '/tmp: is a folder where a file is needed' },
    { name: 'a device', path: '/dev/zero', text: '/dev/zero: is not a regular file' },
  ])('$name', ({ path, text }) => {
    expect(() => loadPem(path)).toThrow(expect.objectContaining({ code: 'ICAPGW_TLS_MATERIAL', file: path }));
    expect(() => loadPem(path)).toThrow(text);
  });

  test('a file of 4 MiB is read and one byte more is not', () => {
    const limit = 4 * 1024 * 1024;
    const padded = CERT + '#'.repeat(limit - CERT.length);
    using folder = createConfigFolder({ 'at.pem': padded, 'above.pem': `${padded}#` });
    expect(loadPem(`${folder.path}/at.pem`)).toHaveLength(1);
    expect(() => loadPem(`${folder.path}/above.pem`)).toThrow(
      `has ${limit + 1} bytes, more than the ${limit} that are read`,
    );
  });
});
