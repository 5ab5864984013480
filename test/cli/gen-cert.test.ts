import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addGenCertCommand } from '../../src/cli/gen-cert.ts';
import { loadKeyPair } from '../../src/tls/material.ts';
import { type CliRecord, runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

/** EC keys, where the kind does not matter: they cost no time. */
const genCert = (cwd: string, ...args: readonly string[]): Promise<CliRecord> =>
  runCli(['gen-cert', '--key-type', 'ec', ...args], addGenCertCommand, { cwd });

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);
const text = (file: string): string => openssl('x509', '-in', file, '-noout', '-text').output;

describe('gen-cert without options', () => {
  test('writes what the three openssl steps of the guides do, and says where each file goes', async () => {
    using folder = createConfigFolder({});
    const { stdout, stderr, exitCode } = await runCli(['gen-cert', '--cn', 'icap.example'], addGenCertCommand, {
      cwd: folder.path,
    });
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: undefined });
    expect(readdirSync(folder.path).sort()).toEqual(['cert.pem', 'key.pem', 'stunnel-key.pem']);
    const read = (name: string): string => readFileSync(join(folder.path, name), 'utf8');
    expect(read('stunnel-key.pem')).toBe(read('key.pem') + read('cert.pem'));
    expect(stdout).toContain(`cert = ${folder.path}/stunnel-key.pem`);
    expect(stdout).toMatch(/cert\.pem +the certificate: upload it to the portal/);
    const certificate = text(join(folder.path, 'cert.pem'));
    expect(certificate).toMatch(/Public-Key: \(2048 bit\)/);
    expect(certificate).toMatch(/Subject: CN = icap\.example\n/);
    expect(certificate).toMatch(/Subject Alternative Name: \n\s+DNS:icap\.example\n/);
    const { leaf } = loadKeyPair({
      certFile: join(folder.path, 'stunnel-key.pem'),
      keyFile: undefined,
      passphraseFile: undefined,
      securityLevel: undefined,
    });
    expect((leaf.notAfterMs - leaf.notBeforeMs) / 86_400_000).toBe(1095);
  });

  test.skipIf(process.platform === 'win32')('gives keys to their owner alone, whatever the umask', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--client');
    for (const name of ['key.pem', 'stunnel-key.pem', 'ca-key.pem', 'client-key.pem']) {
      expect(modeOf(join(folder.path, name))).toBe('600');
    }
    for (const name of ['cert.pem', 'ca.pem', 'client.pem']) expect(modeOf(join(folder.path, name))).toBe('644');
  });
});

describe('gen-cert with options', () => {
  test('--san adds names to that of --cn, each once', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--cn', '192.0.2.1', '--san', 'DNS:a.example,IP:192.0.2.1', '--san', 'b.example');
    expect(text(join(folder.path, 'cert.pem'))).toMatch(
      /\n\s+IP Address:192\.0\.2\.1, DNS:a\.example, DNS:b\.example\n/,
    );
  });

  test('a --cn that is no host name gives no alternative name', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--cn', 'Our ICAP gateway');
    expect(text(join(folder.path, 'cert.pem'))).not.toContain('Alternative Name');
  });

  test('--bits chooses the curve, --name the file, --out a folder that is made', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--bits', '384', '--name', 'mcas.pem', '--out', 'a/b', '--days', '36500');
    expect(readdirSync(join(folder.path, 'a/b')).sort()).toEqual(['cert.pem', 'key.pem', 'mcas.pem']);
    expect(text(join(folder.path, 'a/b/cert.pem'))).toContain('NIST CURVE: P-384');
  });

  test('--csr writes a request and how to go on', async () => {
    using folder = createConfigFolder({});
    const { stdout } = await genCert(folder.path, '--csr', '--cn', 'icap.example');
    expect(readdirSync(folder.path).sort()).toEqual(['cert.csr', 'key.pem']);
    expect(stdout).toContain(`cat key.pem cert.pem > "${folder.path}/stunnel-key.pem"`);
    const { output } = openssl('req', '-in', join(folder.path, 'cert.csr'), '-noout', '-verify', '-text');
    expect(output).toContain('verify OK');
    expect(output).toContain('DNS:icap.example');
  });

  test('--help shows examples', async () => {
    const { stdout } = await runCli(['gen-cert', '--help'], addGenCertCommand, { cwd: '/' });
    expect(stdout).toContain('$ icapgw gen-cert --ca --client --out certs');
  });

  test('a terminal is told that something goes on', async () => {
    using folder = createConfigFolder({});
    const { stderr } = await runCli(['gen-cert', '--key-type', 'ec'], addGenCertCommand, {
      cwd: folder.path,
      isTTY: true,
    });
    expect(stderr).toBe('Making EC keys of 256 bits ...\n');
  });
});

describe('the lab CA', () => {
  const verify = (dir: string, name: string, purpose: string): string =>
    openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(dir, 'ca.pem'), join(dir, name)).output;

  test('--ca signs the server', async () => {
    using folder = createConfigFolder({});
    const { stdout } = await genCert(folder.path, '--ca');
    expect(readdirSync(folder.path).sort()).toEqual(['ca-key.pem', 'ca.pem', 'cert.pem', 'key.pem', 'stunnel-key.pem']);
    expect(verify(folder.path, 'cert.pem', 'sslserver')).toContain(': OK');
    expect(stdout).toContain(`CAfile = ${folder.path}/ca.pem`);
  });

  test('--client brings a CA along and signs a client too', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--client');
    expect(verify(folder.path, 'cert.pem', 'sslserver')).toContain(': OK');
    expect(verify(folder.path, 'client.pem', 'sslclient')).toContain(': OK');
    expect(text(join(folder.path, 'client.pem'))).toContain('Subject: CN = icap-client');
  });

  test('--client beside an existing CA makes only the client, with its own name', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--ca');
    const before =
      readFileSync(join(folder.path, 'ca.pem'), 'utf8') + readFileSync(join(folder.path, 'key.pem'), 'utf8');
    const { stdout } = await genCert(folder.path, '--client', '--cn', 'partner');
    const after =
      readFileSync(join(folder.path, 'ca.pem'), 'utf8') + readFileSync(join(folder.path, 'key.pem'), 'utf8');
    expect(after).toBe(before);
    expect(verify(folder.path, 'client.pem', 'sslclient')).toContain(': OK');
    expect(text(join(folder.path, 'client.pem'))).toContain('Subject: CN = partner');
    expect(stdout).not.toContain('stunnel-key.pem');
  });

  test('half a CA is never replaced in passing', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path, '--ca');
    const out = join(folder.path, 'half');
    mkdirSync(out);
    writeFileSync(join(out, 'ca.pem'), readFileSync(join(folder.path, 'ca.pem')));
    const { stderr, exitCode } = await genCert(folder.path, '--client', '--out', 'half', '--force');
    expect({ stderr, exitCode }).toEqual({
      stderr: expect.stringContaining('half/ca-key.pem: there is no such file'),
      exitCode: 2,
    });
    expect(readdirSync(out)).toEqual(['ca.pem']);
  });

  test('a certificate that is no CA does not sign', async () => {
    using folder = createConfigFolder({});
    await genCert(folder.path);
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => readFileSync(join(folder.path, name)));
    using other = createConfigFolder({ 'ca.pem': cert ?? '', 'ca-key.pem': key ?? '' });
    const { stderr, exitCode } = await genCert(other.path, '--client');
    expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining('is not a CA'), exitCode: 2 });
  });
});

describe('gen-cert never surprises', () => {
  test('existing files stay, all of them are named, and nothing is written', async () => {
    using folder = createConfigFolder({ 'cert.pem': 'mine' });
    symlinkSync('nowhere', join(folder.path, 'stunnel-key.pem'));
    const { stderr, exitCode } = await genCert(folder.path);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`cert.pem, stunnel-key.pem exist already in ${folder.path}: --force replaces`);
    expect(readdirSync(folder.path).sort()).toEqual(['cert.pem', 'stunnel-key.pem']);
    expect(readFileSync(join(folder.path, 'cert.pem'), 'utf8')).toBe('mine');
  });

  test('--force replaces them and leaves no temporary files', async () => {
    using folder = createConfigFolder({ 'cert.pem': 'mine' });
    const { exitCode } = await genCert(folder.path, '--force');
    expect(exitCode).toBeUndefined();
    expect(text(join(folder.path, 'cert.pem'))).toContain('Certificate:');
    expect(readdirSync(folder.path).sort()).toEqual(['cert.pem', 'key.pem', 'stunnel-key.pem']);
  });

  test('a name that cannot be replaced leaves the others as they were', async () => {
    using folder = createConfigFolder({});
    mkdirSync(join(folder.path, 'key.pem'));
    const { stderr, exitCode } = await genCert(folder.path, '--force');
    expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining('cannot be written to: '), exitCode: 1 });
    expect(readdirSync(folder.path)).toEqual(['key.pem']);
  });

  test.skipIf(process.platform !== 'linux').each([
    {
      name: 'a folder that cannot be made',
      out: '/proc/icapgw/certs',
      text: /the folder \/proc\/icapgw cannot be made/,
    },
    { name: 'a folder that takes no files', out: '/proc', text: /\/proc cannot be written to/ },
  ])('$name as --out is an error of the machine', async ({ out, text: expected }) => {
    const { stderr, exitCode } = await genCert('/', '--out', out);
    expect({ stderr, exitCode }).toEqual({ stderr: expect.stringMatching(expected), exitCode: 1 });
  });

  test('a file as --out is an error of the machine', async () => {
    using folder = createConfigFolder({ file: '' });
    const { stderr, exitCode } = await genCert(folder.path, '--out', 'file');
    expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining('file is not a folder'), exitCode: 1 });
  });

  test.each([
    { args: ['--days', '0'], text: 'It must be from 1 to 36500.' },
    { args: ['--days', '36501'], text: 'It must be from 1 to 36500.' },
    { args: ['--days', '1.5'], text: 'It must be a whole number.' },
    { args: ['--key-type', 'dsa'], text: 'Allowed choices are rsa, ec.' },
    { args: ['--key-type', 'rsa', '--bits', '2047'], text: '--bits of an RSA key must be from 2048 to 8192' },
    { args: ['--key-type', 'rsa', '--bits', '8193'], text: '--bits of an RSA key must be from 2048 to 8192' },
    { args: ['--bits', '255'], text: '--bits of an EC key must be 256, 384 or 521' },
    { args: ['--san', 'DNS:a,IP:b'], text: '"IP:b" is none of DNS:host' },
    { args: ['--cn', ' '], text: 'It must not be empty' },
    { args: ['--cn', 'x'.repeat(65)], text: 'It may have 64 characters' },
    { args: ['--name', '../key'], text: 'It must be a file name without a folder' },
    { args: ['--name', 'cert'], text: 'cert.pem is the name of another file' },
    { args: ['--csr', '--ca'], text: "option '--csr' cannot be used with option '--ca'" },
    { args: ['--csr', '--client'], text: "option '--csr' cannot be used with option '--client'" },
    { args: ['--frce'], text: 'Did you mean --force?' },
  ])('$args is a mistake of the user', async ({ args, text: expected }) => {
    const { stderr, exitCode } = await genCert('/nowhere', ...args);
    expect({ stderr, exitCode }).toEqual({ stderr: expect.stringContaining(expected), exitCode: 2 });
  });
});
