import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClientHelloReader, type NamedServer } from '../../src/tls/client-hello.ts';
import { clientHello, inRecords } from '../_util/client-hello.ts';
import { everyChunking } from '../_util/every-chunking.ts';

const NAMED = await clientHello({ servername: 'dlp.example.com' });
const NAME: NamedServer = { serverName: 'dlp.example.com' };
const NOBODY: NamedServer = { serverName: undefined };

function read(...chunks: readonly Buffer[]): NamedServer | undefined {
  const reader = new ClientHelloReader();
  for (const chunk of chunks) {
    const found = reader.push(chunk);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A hello with these extensions and nothing else of interest. */
function helloWith(extensions: Buffer): Buffer {
  const body = Buffer.concat([Buffer.alloc(34), Buffer.from('00 0002 1301 0100'.replaceAll(' ', ''), 'hex')]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(extensions.length);
  const rest = Buffer.concat([body, length, extensions]);
  const header = Buffer.from('1603010000 01000000'.replace(' ', ''), 'hex');
  header.writeUInt16BE(rest.length + 4, 3);
  header.writeUIntBE(rest.length, 6, 3);
  return Buffer.concat([header, rest]);
}

function withMessageType(hello: Buffer, type: number): Buffer {
  hello.writeUInt8(type, 5);
  return hello;
}

function nameExtension(name: Buffer): Buffer {
  const sizes = [name.length + 5, name.length + 3].map((size) => size.toString(16).padStart(4, '0'));
  const head = `0000${sizes.join('')}00${name.length.toString(16).padStart(4, '0')}`;
  return Buffer.concat([Buffer.from(head, 'hex'), name]);
}

describe('the name in a hello', () => {
  test('may be as long as OpenSSL takes it', () => {
    const name = 'a'.repeat(255);
    expect(read(helloWith(nameExtension(Buffer.from(name))))).toEqual({ serverName: name });
  });

  test('is found in that of TLS 1.3, with a key share of a post-quantum group', () => {
    expect(NAMED.length).toBeGreaterThan(1200);
    expect(read(NAMED)).toEqual(NAME);
  });

  test('is found in that of TLS 1.2, as it is written', async () => {
    const hello = await clientHello({ servername: 'DLP.Example.com', maxVersion: 'TLSv1.2' });
    expect(read(hello)).toEqual({ serverName: 'DLP.Example.com' });
  });

  test('is none where the client gives none', async () => {
    expect(read(await clientHello({}))).toEqual(NOBODY);
  });

  test('is found however its bytes come', async () => {
    const hello = await clientHello({ servername: 'a.example', maxVersion: 'TLSv1.2' });
    for (const chunks of everyChunking(hello)) expect(read(...chunks)).toEqual({ serverName: 'a.example' });
  });

  test.each([1, 3, 4, 5, 100, 1000])('is found in records of %i bytes, however their bytes come', (bytes) => {
    const records = inRecords(NAMED, bytes);
    expect(read(records)).toEqual(NAME);
    expect(read(...Array.from(records, (byte) => Buffer.of(byte)))).toEqual(NAME);
  });

  test('is told with the last byte, and not before', () => {
    const reader = new ClientHelloReader();
    expect(reader.push(NAMED.subarray(0, -1))).toBeUndefined();
    expect(reader.push(NAMED.subarray(-1))).toEqual(NAME);
  });

  test('is found before what is sent ahead of the answer', () => {
    expect(read(Buffer.concat([NAMED, Buffer.from('1403030001011703030001')]))).toEqual(NAME);
  });
});

describe('nobody is named by', () => {
  test.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.from('15030300020100', 'hex')],
    ['a record of another protocol', Buffer.from('1602000001', 'hex')],
    ['a record that is too long', Buffer.from('1603014001', 'hex')],
    ['an empty record', Buffer.from('1603010000', 'hex')],
    ['another message', Buffer.from('160301000402000000', 'hex')],
    ['another message that looks like a hello', withMessageType(helloWith(nameExtension(Buffer.from('a.example'))), 2)],
    ['a hello beyond 32 KiB', Buffer.from('160301000401008001', 'hex')],
    ['an empty hello', Buffer.from('160301000401000000', 'hex')],
    ['a name of another type', helloWith(Buffer.from('000000070005010002aabb', 'hex'))],
    ['a name that is longer than OpenSSL takes', helloWith(nameExtension(Buffer.alloc(256, 'a')))],
    ['a name with a NUL, which OpenSSL takes for none', helloWith(nameExtension(Buffer.from('a.example\0')))],
    ['an empty name', helloWith(Buffer.from('000000050003000000', 'hex'))],
    ['an extension that ends too soon', helloWith(Buffer.from('0000', 'hex'))],
  ])('%s', (_, bytes) => {
    expect(read(bytes)).toEqual(NOBODY);
  });
});

test('a hello of 32 KiB, and a record of 16 KiB, are waited for', () => {
  expect(read(Buffer.from('160301400001', 'hex'))).toBeUndefined();
  expect(read(Buffer.from('160301000401008000', 'hex'))).toBeUndefined();
});

test('whatever comes, reading ends in an answer or in waiting', () => {
  const damaged = fc.array(fc.tuple(fc.nat(NAMED.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 8 });
  fc.assert(
    fc.property(damaged, fc.nat(NAMED.length), (changes, length) => {
      const bytes = Buffer.from(NAMED.subarray(0, length));
      for (const [at, byte] of changes) if (at < length) bytes[at] = byte;
      expect(() => read(bytes)).not.toThrow();
    }),
    { numRuns: 500 },
  );
});
