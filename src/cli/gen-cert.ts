import { createPrivateKey } from 'node:crypto';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { makeFolder, type OutputFile, refuseExisting, writeFiles } from '../runtime/output-file.ts';
import { materialError } from '../tls/file.ts';
import type { Issuer, KeyOptions } from '../tls/generate.ts';
import { parseSubjectAltName, type SubjectAltName } from '../tls/subject-alt-name.ts';
import { addGenCertOptions, type GenCertFlags, keyOptionsOf } from './gen-cert-options.ts';
import { describeGenCert, type GenCertPlan, planGenCert } from './gen-cert-plan.ts';
import type { CliIo } from './io.ts';

const CA_MIN_DAYS = 3650;
const LAB_CLIENT_NAME = 'icap-client';

const EXAMPLES = `
Examples:
  $ icapgw gen-cert --cn icap.example.com --out certs
  $ icapgw gen-cert --cn icap.example.com --san IP:192.0.2.10,DNS:icap2.example.com
  $ icapgw gen-cert --csr --cn icap.example.com --key-type ec
  $ icapgw gen-cert --ca --client --out certs        a lab: CA, server and client certificate
  $ icapgw gen-cert --client --cn partner --out certs --force
                                                     another client of the CA in certs
`;

/** Adds `gen-cert`, which makes the key and certificate of a gateway, and a lab CA with clients. */
export function addGenCertCommand(program: Command, io: CliIo): void {
  const command = program
    .command('gen-cert')
    .description('Make the key and certificate of a gateway, as the openssl steps of the stunnel guides do.')
    .addHelpText('after', EXAMPLES);
  addGenCertOptions(command, hostname()).action(async (flags: GenCertFlags) => {
    const key = keyOptionsOf(flags);
    if (typeof key === 'string') command.error(`error: ${key}`);
    else await genCert(flags, key, io);
  });
}

async function genCert(flags: GenCertFlags, key: KeyOptions, io: CliIo): Promise<void> {
  const dir = resolve(io.cwd, flags.out);
  const plan = planGenCert(flags, dir);
  if (flags.force !== true) refuseExisting(dir, plan.names);
  makeFolder(dir);
  // A large RSA key takes long enough to look like a hang.
  if (io.stderr.isTTY === true) io.stderr.write(`Making ${key.type.toUpperCase()} keys of ${key.bits} bits ...\n`);
  const files = plan.kind === 'request' ? await makeRequest(flags, key) : await makeCertificates(flags, key, plan, dir);
  writeFiles(dir, files);
  io.stdout.write(describeGenCert(plan, flags.name, dir));
}

async function makeRequest(flags: GenCertFlags, key: KeyOptions): Promise<OutputFile[]> {
  const { createRequest, generateKey, privateKeyPem } = await import('../tls/generate.ts');
  const privateKey = await generateKey(key);
  const request = createRequest({ commonName: flags.cn, sans: namesOf(flags), role: 'server', privateKey });
  return [
    { name: 'key.pem', mode: 0o600, content: privateKeyPem(privateKey) },
    { name: 'cert.csr', mode: 0o644, content: request },
  ];
}

async function makeCertificates(
  flags: GenCertFlags,
  key: KeyOptions,
  plan: GenCertPlan,
  dir: string,
): Promise<OutputFile[]> {
  // Loaded here because node-forge has no business in the start of the other commands.
  const { createCredential } = await import('../tls/credential.ts');
  const { privateKeyPem } = await import('../tls/generate.ts');
  const { days } = flags;
  const files: OutputFile[] = [];
  const add = (keyName: string, certName: string, { privateKey, certificatePem }: Issuer): void => {
    files.push({ name: keyName, mode: 0o600, content: privateKeyPem(privateKey) });
    files.push({ name: certName, mode: 0o644, content: certificatePem });
  };
  let issuer: Issuer | undefined;
  if (plan.ca === 'use') issuer = await loadLabCa(dir);
  if (plan.ca === 'make') {
    const commonName = `icapgw lab CA of ${flags.cn}`.slice(0, 64);
    const caDays = Math.max(days, CA_MIN_DAYS);
    issuer = await createCredential({ commonName, sans: [], role: 'ca', key, issuer: undefined, days: caDays });
    add('ca-key.pem', 'ca.pem', issuer);
  }
  if (plan.server) {
    const commonName = flags.cn;
    const server = await createCredential({ commonName, sans: namesOf(flags), role: 'server', key, issuer, days });
    add('key.pem', 'cert.pem', server);
    const content = privateKeyPem(server.privateKey) + server.certificatePem;
    files.push({ name: `${flags.name}.pem`, mode: 0o600, content });
  }
  if (plan.client) {
    const commonName = plan.server ? LAB_CLIENT_NAME : flags.cn;
    const sans = plan.server ? [] : namesOf(flags);
    add(
      'client-key.pem',
      'client.pem',
      await createCredential({ commonName, sans, role: 'client', key, issuer, days }),
    );
  }
  return files;
}

async function loadLabCa(dir: string): Promise<Issuer> {
  const { loadKeyPair } = await import('../tls/material.ts');
  const certFile = join(dir, 'ca.pem');
  const keyFile = join(dir, 'ca-key.pem');
  const pair = loadKeyPair({ certFile, keyFile, passphraseFile: undefined, securityLevel: undefined });
  if (!pair.leaf.isCa) throw materialError(certFile, `${pair.leaf.subject} is not a CA and cannot sign a client`);
  return { certificatePem: pair.certChainPem, privateKey: createPrivateKey(pair.keyPem) };
}

/** The names of the certificate: what `--cn` says, where it is a host name or an address, and every `--san`. */
function namesOf({ cn, san }: GenCertFlags): SubjectAltName[] {
  const own = parseSubjectAltName(cn);
  const names = own === undefined ? san : [own, ...san];
  return [...new Map(names.map((name) => [`${name.kind}:${name.text}`, name])).values()];
}
