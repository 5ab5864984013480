import type { KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CertificateRole,
  createCertificate,
  generateKey,
  type Issuer,
  privateKeyPem,
} from '../src/tls/generate.ts';
import type { SubjectAltName } from '../src/tls/subject-alt-name.ts';

/** Paths of what every peer and every load generator use alike. RSA-2048 throughout, as the published guides have it. */
export interface BenchCertificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  /** Certificate and key in one file. */
  readonly serverCombined: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const LOCALHOST: readonly SubjectAltName[] = [
  { kind: 'DNS', text: 'localhost' },
  { kind: 'IP', text: '127.0.0.1' },
];

/** Makes a CA, a server and a client in `folder`, which the caller removes. */
export async function writeCertificates(folder: string): Promise<BenchCertificates> {
  const caKey = await generateKey({ type: 'rsa', bits: 2_048 });
  const caPem = certificate('bench CA', 'ca', caKey, undefined);
  const issuer: Issuer = { certificatePem: caPem, privateKey: caKey };
  const serverKey = await generateKey({ type: 'rsa', bits: 2_048 });
  const clientKey = await generateKey({ type: 'rsa', bits: 2_048 });
  const serverPem = certificate('localhost', 'server', serverKey, issuer);
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    ca: write('ca.pem', caPem),
    serverCert: write('server-cert.pem', serverPem),
    serverKey: write('server-key.pem', privateKeyPem(serverKey)),
    serverCombined: write('server.pem', serverPem + privateKeyPem(serverKey)),
    clientCert: write('client-cert.pem', certificate('client', 'client', clientKey, issuer)),
    clientKey: write('client-key.pem', privateKeyPem(clientKey)),
  };
}

function certificate(commonName: string, role: CertificateRole, key: KeyObject, issuer: Issuer | undefined): string {
  const nowMs = Date.now();
  return createCertificate({
    commonName,
    role,
    issuer,
    privateKey: key,
    sans: role === 'server' ? LOCALHOST : [],
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + DAY_MS,
  });
}
