import { type KeyObject, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCertificate, createCrl, generateKey, type Issuer, privateKeyPem } from '../../src/tls/generate.ts';
import type { SubjectAltName } from '../../src/tls/subject-alt-name.ts';

/** The paths of one identity. */
export interface LabIdentity {
  readonly cert: string;
  readonly key: string;
  /** Key first, then certificate, as the published guides make it. */
  readonly combined: string;
}

/** Paths of everything that tests of TLS need. Keys are EC P-256 unless the name says otherwise. */
export interface CertificateLab {
  readonly dir: string;
  readonly ca: LabIdentity;
  /** For localhost, 127.0.0.1 and ::1, signed by `ca`. */
  readonly server: LabIdentity;
  readonly rsaServer: LabIdentity;
  readonly selfSignedServer: LabIdentity;
  readonly expiredServer: LabIdentity;
  readonly revokedServer: LabIdentity;
  /** As `server`, signed by `otherCa`. */
  readonly otherServer: LabIdentity;
  /** CN=elsewhere, for elsewhere.example alone, signed by `ca`. */
  readonly elsewhereServer: LabIdentity;
  /** CN=client, DNS:client.example, signed by `ca`; accepted by everything that trusts it. */
  readonly client: LabIdentity;
  readonly secondClient: LabIdentity;
  readonly rsaClient: LabIdentity;
  readonly revokedClient: LabIdentity;
  readonly expiredClient: LabIdentity;
  /** Signed by `ca`, but for servers only. */
  readonly serverOnlyClient: LabIdentity;
  readonly intermediateCa: LabIdentity;
  /** Signed by `intermediateCa`; `cert` and `combined` hold only the leaf, `chain` the leaf and the intermediate. */
  readonly viaIntermediateClient: LabIdentity & { readonly chain: string };
  readonly viaIntermediateServer: LabIdentity & { readonly chain: string };
  readonly otherCa: LabIdentity;
  readonly otherClient: LabIdentity;
  readonly selfSignedClient: LabIdentity;
  /** The certificate of `server` with its key encrypted by what `passphraseFile` holds. */
  readonly encryptedServer: LabIdentity & { readonly passphraseFile: string };
  /** Of `ca`, with `revokedClient` and `revokedServer` on it. */
  readonly crl: string;
  readonly crlDer: string;
  /** As `crl`, but out of date. */
  readonly expiredCrl: string;
  /** Of `intermediateCa`, with nobody on it. */
  readonly intermediateCrl: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const PASSPHRASE = 'correct horse battery staple';
const LOCAL: readonly SubjectAltName[] = [
  { kind: 'DNS', text: 'localhost' },
  { kind: 'IP', text: '127.0.0.1' },
  { kind: 'IP', text: '::1' },
];

interface Recipe {
  readonly name: string;
  readonly role: 'ca' | 'server' | 'client';
  readonly issuer: Made | undefined;
  readonly key?: KeyObject;
  readonly expired?: boolean;
  /** In place of what a role has. */
  readonly sans?: readonly SubjectAltName[];
}

interface Made {
  readonly paths: LabIdentity;
  /** The same as a CA that signs others. */
  readonly issuer: Issuer;
}

/** Makes the whole laboratory in `dir`, which must exist. */
export async function createCertificateLab(dir: string): Promise<CertificateLab> {
  const write = (name: string, content: string | Buffer, mode = 0o600): string => {
    const path = join(dir, name);
    writeFileSync(path, content, { mode });
    return path;
  };
  const make = async (recipe: Recipe): Promise<Made> => {
    const { name, role, issuer, expired = false } = recipe;
    const privateKey = recipe.key ?? (await generateKey({ type: 'ec', bits: 256 }));
    const now = Date.now();
    const certificatePem = createCertificate({
      commonName: name,
      sans: recipe.sans ?? sansOf(name, role),
      role,
      privateKey,
      issuer: issuer?.issuer,
      notBeforeMs: now - 2 * DAY_MS,
      notAfterMs: now + (expired ? -DAY_MS : 365 * DAY_MS),
    });
    const keyPem = privateKeyPem(privateKey);
    const paths = {
      cert: write(`${name}.pem`, certificatePem),
      key: write(`${name}-key.pem`, keyPem),
      combined: write(`${name}-combined.pem`, keyPem + certificatePem),
    };
    return { paths, issuer: { certificatePem, privateKey } };
  };
  const makePaths = async (recipe: Recipe): Promise<LabIdentity> => (await make(recipe)).paths;
  const makeCrl = (issuer: Made, revoked: readonly Made[], nextUpdateMs: number): string =>
    createCrl({
      issuer: issuer.issuer,
      revokedSerials: revoked.map((made) => new X509Certificate(made.issuer.certificatePem).serialNumber),
      thisUpdateMs: Date.now() - 2 * DAY_MS,
      nextUpdateMs,
    });
  const rsaKey = generateKey({ type: 'rsa', bits: 2048 });

  const ca = await make({ name: 'lab-ca', role: 'ca', issuer: undefined });
  const otherCa = await make({ name: 'other-ca', role: 'ca', issuer: undefined });
  const intermediateCa = await make({ name: 'intermediate-ca', role: 'ca', issuer: ca });
  const server = await make({ name: 'server', role: 'server', issuer: ca });
  const revokedServer = await make({ name: 'revoked-server', role: 'server', issuer: ca });
  const revokedClient = await make({ name: 'revoked-client', role: 'client', issuer: ca });
  const viaIntermediate = await make({ name: 'via-intermediate', role: 'client', issuer: intermediateCa });
  const withChain = (name: string, { paths, issuer }: Made): LabIdentity & { readonly chain: string } => ({
    ...paths,
    chain: write(name, issuer.certificatePem + intermediateCa.issuer.certificatePem),
  });
  const encryptedKey = server.issuer.privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })
    .toString();
  const soonMs = Date.now() + 30 * DAY_MS;
  const crl = makeCrl(ca, [revokedClient, revokedServer], soonMs);
  return {
    dir,
    ca: ca.paths,
    otherCa: otherCa.paths,
    intermediateCa: intermediateCa.paths,
    server: server.paths,
    revokedClient: revokedClient.paths,
    rsaServer: await makePaths({ name: 'rsa-server', role: 'server', issuer: ca, key: await rsaKey }),
    rsaClient: await makePaths({ name: 'rsa-client', role: 'client', issuer: ca, key: await rsaKey }),
    selfSignedServer: await makePaths({ name: 'self-signed-server', role: 'server', issuer: undefined }),
    expiredServer: await makePaths({ name: 'expired-server', role: 'server', issuer: ca, expired: true }),
    revokedServer: revokedServer.paths,
    otherServer: await makePaths({ name: 'other-server', role: 'server', issuer: otherCa }),
    elsewhereServer: await makePaths({
      name: 'elsewhere',
      role: 'server',
      issuer: ca,
      sans: [{ kind: 'DNS', text: 'elsewhere.example' }],
    }),
    client: await makePaths({ name: 'client', role: 'client', issuer: ca }),
    secondClient: await makePaths({ name: 'second-client', role: 'client', issuer: ca }),
    expiredClient: await makePaths({ name: 'expired-client', role: 'client', issuer: ca, expired: true }),
    serverOnlyClient: await makePaths({ name: 'server-only', role: 'server', issuer: ca }),
    viaIntermediateClient: withChain('via-intermediate-chain.pem', viaIntermediate),
    viaIntermediateServer: withChain(
      'via-intermediate-server-chain.pem',
      await make({ name: 'via-intermediate-server', role: 'server', issuer: intermediateCa }),
    ),
    otherClient: await makePaths({ name: 'other-client', role: 'client', issuer: otherCa }),
    selfSignedClient: await makePaths({ name: 'self-signed-client', role: 'client', issuer: undefined }),
    encryptedServer: {
      cert: server.paths.cert,
      key: write('encrypted-key.pem', encryptedKey),
      combined: write('encrypted-combined.pem', encryptedKey + server.issuer.certificatePem),
      passphraseFile: write('passphrase.txt', `${PASSPHRASE}\n`),
    },
    crl: write('crl.pem', crl),
    crlDer: write('crl.der', Buffer.from(crl.replace(/-----.*-----|\n/g, ''), 'base64')),
    expiredCrl: write('expired-crl.pem', makeCrl(ca, [revokedClient], Date.now() - DAY_MS)),
    intermediateCrl: write('intermediate-crl.pem', makeCrl(intermediateCa, [], soonMs)),
  };
}

function sansOf(name: string, role: Recipe['role']): readonly SubjectAltName[] {
  if (role === 'ca') return [];
  return role === 'server' ? LOCAL : [{ kind: 'DNS', text: `${name}.example` }];
}
