import { readFileSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadCertificates, loadTrust } from '../../src/tls/trust.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

const lab = certificates();
const read = (file: string): string => readFileSync(file, 'utf8');

type TrustOptions = Parameters<typeof loadTrust>[0];

const load = (ca: readonly string[], change: Partial<TrustOptions> = {}) =>
  loadTrust({ ca, crl: [], trust: 'auto', chainAndPin: false, ...change });

const subjects = (trust: ReturnType<typeof loadTrust>): string[] => trust.caSummaries.map(({ subject }) => subject);

describe('trust: auto', () => {
  test.each([
    { name: 'a CA is an anchor', ca: [lab.ca.cert], mode: 'chain', anchors: 1, pins: 0 },
    { name: 'the certificate of a client is pinned', ca: [lab.client.cert], mode: 'pin', anchors: 0, pins: 1 },
    { name: 'a self-signed client is pinned', ca: [lab.selfSignedClient.cert], mode: 'pin', anchors: 0, pins: 1 },
    { name: 'both may stand together', ca: [lab.ca.cert, lab.client.cert], mode: 'mixed', anchors: 1, pins: 1 },
    { name: 'the same twice counts once', ca: [lab.ca.cert, lab.ca.cert], mode: 'chain', anchors: 1, pins: 0 },
  ])('$name', ({ ca, mode, anchors, pins }) => {
    const trust = load(ca);
    expect(trust).toMatchObject({ mode, warnings: [], crlPem: [], crlNextUpdateMs: undefined });
    expect([trust.caPem.length, trust.pins.length, trust.pinnedPem.length]).toEqual([anchors, pins, pins]);
    expect(structuredClone(trust)).toEqual(trust);
  });

  test('a pin is the SHA-256 of the certificate', () => {
    const { output } = openssl('x509', '-in', lab.client.cert, '-noout', '-fingerprint', '-sha256');
    expect(output.replaceAll(':', '').toLowerCase()).toContain(load([lab.client.cert]).pins[0]);
  });

  test('the self-signed certificate that openssl req -x509 makes is a CA, which accepts itself', () => {
    using folder = createConfigFolder({});
    const out = `${folder.path}/publicCert.pem`;
    openssl('req', '-x509', '-new', '-key', lab.client.key, '-subj', '/CN=cloud', '-out', out);
    expect(load([out])).toMatchObject({ mode: 'chain', warnings: [] });
  });
});

describe('trust: chain', () => {
  test('a file with only certificates of clients is refused, with the ways out', () => {
    const attempt = () => load([lab.client.cert], { trust: 'chain' });
    expect(attempt).toThrow(
      /holds no CA, only certificates of clients \(CN=client\).* trust: pin \(stunnel: verifyPeer = yes\)/,
    );
    expect(attempt).toThrow(expect.objectContaining({ file: lab.client.cert }));
  });

  test('a certificate of a client beside a CA does nothing, and is said to', () => {
    const trust = load([lab.ca.cert, lab.client.cert], { trust: 'chain' });
    expect(trust).toMatchObject({
      mode: 'chain',
      pins: [],
      warnings: [expect.stringMatching(/CN=client is not a CA/)],
    });
    expect(trust.caPem).toHaveLength(1);
  });

  test('a self-signed certificate of a client ends its own chain', () => {
    expect(load([lab.selfSignedClient.cert], { trust: 'chain' })).toMatchObject({ mode: 'chain', warnings: [] });
  });

  test('an intermediate CA without its root accepts nobody, and is said to', () => {
    expect(load([lab.intermediateCa.cert]).warnings).toEqual([
      expect.stringMatching(
        /CN=intermediate-ca is an intermediate CA without its root: add the certificate of CN=lab-ca/,
      ),
    ]);
    expect(load([lab.intermediateCa.cert, lab.ca.cert]).warnings).toEqual([]);
  });
});

describe('trust: pin', () => {
  test('pins everything', () => {
    const trust = load([lab.ca.cert, lab.client.cert], { trust: 'pin' });
    expect(trust).toMatchObject({ mode: 'pin', caPem: [], warnings: [] });
    expect(trust.pins).toHaveLength(2);
  });

  test('on a file of CAs is a warning', () => {
    expect(load([lab.ca.cert], { trust: 'pin' }).warnings).toEqual([
      expect.stringMatching(
        /CN=lab-ca is a CA, and with trust: pin only .* trust: chain \(stunnel: verifyChain = yes\)/,
      ),
    ]);
  });
});

describe('chain and pin together', () => {
  test('take anchors and pins from one file', () => {
    const trust = load([lab.ca.cert, lab.client.cert], { trust: 'chain', chainAndPin: true });
    expect(trust.mode).toBe('chain-and-pin');
    expect([trust.caPem.length, trust.pins.length]).toEqual([1, 2]);
  });

  test('need a CA', () => {
    expect(() => load([lab.client.cert], { chainAndPin: true })).toThrow(/holds no CA/);
  });
});

describe('what the files hold', () => {
  test('may be a certificate with its key, in a folder too', () => {
    using folder = createConfigFolder({ 'ca.pem': readFileSync(lab.ca.combined), 'key.pem': readFileSync(lab.ca.key) });
    expect(loadCertificates([folder.path]).map(({ summary }) => summary.subject)).toEqual(['CN=lab-ca']);
  });

  test('a bundle is read whole, with anything around', () => {
    using folder = createConfigFolder({ 'bundle.pem': `# CAs\n${read(lab.ca.cert)}\n${read(lab.otherCa.cert)}` });
    expect(subjects(load([`${folder.path}/bundle.pem`]))).toEqual(['CN=lab-ca', 'CN=other-ca']);
  });

  test('a folder gives the files with a usual name or a hash name, sorted, and nothing else', () => {
    using folder = createConfigFolder({
      'b.pem': read(lab.ca.cert),
      'c.crt': read(lab.otherCa.cert),
      'a.CER': read(lab.client.cert),
      'server-key.pem': read(lab.server.key),
      'crl.pem': read(lab.crl),
      'README.txt': 'nothing',
      'backup.pem~': read(lab.secondClient.cert),
    });
    symlinkSync('b.pem', `${folder.path}/0123abcd.0`);
    expect(subjects(load([folder.path]))).toEqual(['CN=lab-ca', 'CN=client', 'CN=other-ca']);
  });

  test('a folder of 1000 files is read and one of 1001 is not', () => {
    const names = Array.from({ length: 1001 }, (_, i) => `${i}.pem`);
    using folder = createConfigFolder(Object.fromEntries(names.slice(1).map((name) => [name, read(lab.ca.cert)])));
    expect(load([folder.path]).caPem).toHaveLength(1);
    symlinkSync('1.pem', `${folder.path}/0.pem`);
    expect(() => load([folder.path])).toThrow('holds 1001 files, more than the 1000 that are read');
  });

  test('an unreadable file in a folder is an error that names it', () => {
    using folder = createConfigFolder({ 'ca.pem': read(lab.ca.cert) });
    symlinkSync('gone.pem', `${folder.path}/0123abcd.0`);
    expect(() => load([folder.path])).toThrow(`${folder.path}/0123abcd.0: there is no such file`);
  });

  test.each([
    { name: 'no file', files: {}, path: '/ca.pem', text: /ca\.pem: there is no such file/ },
    { name: 'an empty file', files: { 'ca.pem': '' }, path: '/ca.pem', text: /ca\.pem: is empty/ },
    { name: 'a file of garbage', files: { 'ca.pem': 'x' }, path: '/ca.pem', text: /ca\.pem: holds no PEM block/ },
    { name: 'a key', files: { 'ca.pem': read(lab.ca.key) }, path: '/ca.pem', text: /ca\.pem: holds no certificate/ },
    { name: 'an empty folder', files: {}, path: '', text: /holds no certificate \(\*\.pem/ },
  ])('$name is refused', ({ files, path, text }) => {
    using folder = createConfigFolder(files);
    expect(() => load([folder.path + path])).toThrow(text);
  });

  test('no path at all is refused', () => {
    expect(() => load([])).toThrow(/ca: names no file, so no client could be accepted/);
  });

  test('an expired CA is a warning', () => {
    expect(load([lab.expiredClient.cert]).warnings).toEqual([expect.stringMatching(/CN=expired-client expired on/)]);
  });
});

describe('revocation lists', () => {
  test('come with the moment they end', () => {
    const trust = load([lab.ca.cert], { crl: [lab.crl] });
    expect(trust).toMatchObject({ crlPem: [read(lab.crl)], crlSummaries: [{ issuer: 'CN=lab-ca' }], warnings: [] });
    expect(trust.crlNextUpdateMs).toBeGreaterThan(Date.now());
  });

  test('that leave out a CA refuse all it issued, which is said', () => {
    expect(load([lab.ca.cert, lab.otherCa.cert], { crl: [lab.crl] }).warnings).toEqual([
      expect.stringMatching(/no revocation list of CN=other-ca/),
    ]);
  });

  test.each(['auto', 'pin'] as const)('does not go with pinned certificates alone (trust: %s)', (trust) => {
    const attempt = () => load([lab.client.cert], { trust, crl: [lab.crl] });
    expect(attempt).toThrow(/pinned certificate is revoked by removing it from the file/);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ICAPGW_TLS_MATERIAL', file: lab.crl }));
  });

  test('names the pinned certificates beside a CA that it makes useless, and no others', () => {
    const pinned = [lab.client, lab.otherClient, lab.selfSignedClient, lab.viaIntermediateClient];
    const ca = [lab.ca.cert, ...pinned.map(({ cert }) => cert)];
    expect(load(ca, { crl: [lab.crl, lab.intermediateCrl] }).warnings).toEqual([
      expect.stringMatching(/refused for want of a list: add the certificate and the revocation list of CN=other-ca$/),
      expect.stringMatching(/refused for want of a list: a self-signed certificate has none/),
      expect.stringMatching(/the list of CN=intermediate-ca counts only with its certificate/),
    ]);
    expect(load(ca).warnings).toEqual([]);
  });
});

describe('the hash of a policy', () => {
  const base = load([lab.ca.cert, lab.client.cert]).hash;

  test('does not depend on the order of the files or on how often a certificate appears', () => {
    expect(load([lab.client.cert, lab.ca.cert, lab.client.cert]).hash).toBe(base);
  });

  test('does not depend on a certificate that is ignored', () => {
    expect(load([lab.ca.cert, lab.client.cert], { trust: 'chain' }).hash).toBe(load([lab.ca.cert]).hash);
  });

  test('differs for every policy that could judge a client differently', () => {
    const both = [lab.ca.cert, lab.client.cert];
    const hashes = [
      base,
      load([lab.ca.cert]).hash,
      load([lab.client.cert]).hash,
      load([lab.ca.cert, lab.secondClient.cert]).hash,
      load([lab.otherCa.cert, lab.client.cert]).hash,
      load(both, { trust: 'pin' }).hash,
      load(both, { chainAndPin: true }).hash,
      load(both, { crl: [lab.crl] }).hash,
      load(both, { crl: [lab.expiredCrl] }).hash,
      load(both, { crl: [lab.crl, lab.intermediateCrl] }).hash,
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
