import { readFileSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bitString, integer, oid, sequence, set, time, toDer, utf8String } from '../../src/tls/asn1.ts';
import { earliestNextUpdateMs, loadCrls, parseCrl } from '../../src/tls/crl.ts';
import { toPem } from '../../src/tls/pem.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

const lab = certificates();
const der = readFileSync(lab.crlDer);

/** A SEQUENCE around ready-made DER of any size. */
const wrap = (...content: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(content);
  const head = Buffer.from([0x30, 0x84, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
};

const ALGORITHM = toDer(sequence(oid('1.2.840.10045.4.3.2')));
const ISSUER = toDer(sequence(set(sequence(oid('2.5.4.3'), utf8String('lab-ca')))));
const THIS_UPDATE = toDer(time(Date.UTC(2026, 0, 1)));
const SIGNATURE = toDer(bitString(Buffer.alloc(64), 0));

/** A list with so many entries; what is no signature of it stands at its end. */
const largeCrl = (count: number): Buffer => {
  const entry = toDer(sequence(integer(Buffer.alloc(16, 1)), time(Date.UTC(2026, 0, 1))));
  const entries = Buffer.alloc(entry.length * count, entry);
  const body = wrap(ALGORITHM, ISSUER, THIS_UPDATE, toDer(time(Date.UTC(2036, 0, 1))), wrap(entries));
  return wrap(body, ALGORITHM, SIGNATURE);
};

describe('a revocation list', () => {
  test('is read from PEM and from DER alike, and given as PEM', () => {
    const fromPem = loadCrls([lab.crl]);
    const fromDer = loadCrls([lab.crlDer]);
    expect(fromDer.pem).toEqual(fromPem.pem);
    expect(fromDer.pem).toEqual([readFileSync(lab.crl, 'utf8')]);
    expect(fromDer.summaries[0]?.fingerprint256).toBe(fromPem.summaries[0]?.fingerprint256);
  });

  test('has the dates and the issuer that openssl prints', () => {
    const { output } = openssl('crl', '-in', lab.crl, '-noout', '-lastupdate', '-nextupdate');
    const [, last = '', next = ''] = /lastUpdate=(.*)\nnextUpdate=(.*)\n/.exec(output) ?? [];
    expect(parseCrl(der)).toEqual({
      issuer: 'CN=lab-ca',
      thisUpdateMs: Date.parse(last),
      nextUpdateMs: Date.parse(next),
    });
  });

  test('need not say when the next comes', () => {
    const list = wrap(wrap(ALGORITHM, ISSUER, THIS_UPDATE), ALGORITHM, SIGNATURE);
    expect(parseCrl(list)).toMatchObject({ issuer: 'CN=lab-ca', nextUpdateMs: undefined });
  });

  test('that is out of date is a warning', () => {
    expect(loadCrls([lab.expiredCrl]).warnings).toEqual([
      expect.stringMatching(
        /the revocation list of CN=lab-ca is out of date since \d{4}-.*every certificate of that CA is refused/,
      ),
    ]);
  });

  test('is found in a folder beside other things, each once', () => {
    using folder = createConfigFolder({
      'ca.pem': readFileSync(lab.ca.cert),
      'a.crl': der,
      '0123abcd.r0': readFileSync(lab.crl),
      '0123abcd.r1': readFileSync(lab.intermediateCrl),
      'notes.txt': 'nothing',
    });
    expect(loadCrls([folder.path]).summaries.map(({ issuer }) => issuer)).toEqual(['CN=lab-ca', 'CN=intermediate-ca']);
  });

  test.each([
    {
      name: 'a folder without one',
      files: { 'ca.pem': readFileSync(lab.ca.cert) },
      path: '',
      text: /holds no revocation list \(\*\.crl/,
    },
    {
      name: 'a file of something else',
      files: { 'crl.pem': readFileSync(lab.ca.cert) },
      path: '/crl.pem',
      text: /holds no revocation list$/,
    },
    {
      name: 'a damaged one',
      files: { 'crl.pem': toPem('X509 CRL', der.subarray(0, -1)) },
      path: '/crl.pem',
      text: /list that begins on line 1 is damaged/,
    },
    {
      name: 'a DER file that was cut off',
      files: { 'c.crl': der.subarray(0, -1) },
      path: '/c.crl',
      text: /c\.crl: the revocation list is damaged/,
    },
    { name: 'an empty file', files: { 'c.crl': '' }, path: '/c.crl', text: /is empty/ },
  ])('is missed: $name is refused', ({ files, path, text }) => {
    using folder = createConfigFolder(files);
    expect(() => loadCrls([folder.path + path])).toThrow(text);
  });
});

test('a list with an entry that OpenSSL does not take is refused before a worker sees it', () => {
  const longSerial = Buffer.from('0203000001', 'hex');
  const list = wrap(wrap(ALGORITHM, ISSUER, THIS_UPDATE, wrap(wrap(longSerial, THIS_UPDATE))), ALGORITHM, SIGNATURE);
  using folder = createConfigFolder({ 'crl.der': list });
  expect(parseCrl(list)).toBeDefined();
  expect(() => loadCrls([`${folder.path}/crl.der`])).toThrow('the revocation list is damaged');
});

test('a file above 64 MiB is refused before it is read', () => {
  using folder = createConfigFolder({ 'large.crl': '' });
  truncateSync(`${folder.path}/large.crl`, 64 * 1024 * 1024 + 1);
  expect(() => loadCrls([`${folder.path}/large.crl`])).toThrow('has 67108865 bytes, more than the 67108864');
});

test('any bytes are a list or none, and never an exception', () => {
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.nat(255), (at, byte) => {
      const damaged = Buffer.from(der);
      damaged[at] = byte;
      parseCrl(damaged);
      expect(parseCrl(der.subarray(0, at))).toBeUndefined();
      expect(parseCrl(Buffer.concat([der, Buffer.alloc(1 + at)]))).toBeUndefined();
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('a list of 200,000 entries is read without a look at them', () => {
  const large = largeCrl(200_000);
  expect(large.length).toBeGreaterThan(4_000_000);
  using folder = createConfigFolder({ 'large.pem': toPem('X509 CRL', large) });
  const { pem, summaries } = loadCrls([`${folder.path}/large.pem`]);
  expect(summaries).toMatchObject([{ issuer: 'CN=lab-ca', thisUpdateMs: Date.UTC(2026, 0, 1) }]);
  expect(pem[0]?.length).toBeGreaterThan(large.length);
});

test('the earliest next update of several lists counts', () => {
  const summary = { file: 'f', issuer: 'CN=x', thisUpdateMs: 0, fingerprint256: '' };
  const at = (nextUpdateMs: number | undefined) => ({ ...summary, nextUpdateMs });
  expect(earliestNextUpdateMs([at(7), at(undefined), at(3)])).toBe(3);
  expect(earliestNextUpdateMs([at(undefined)])).toBeUndefined();
});
