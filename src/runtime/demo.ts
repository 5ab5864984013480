import { join } from 'node:path';
import { styleText } from 'node:util';
import { loadConfig } from '../config/load.ts';
import { EICAR } from '../demo/eicar.ts';
import { startIcapServer } from '../demo/icap-server.ts';
import { ConfigError } from '../errors.ts';
import { textDocument } from '../probe/document.ts';
import { type ProbeReport, probe } from '../probe/probe.ts';
import { PROFILES } from '../probe/profile.ts';
import { verdictWord } from '../probe/report.ts';
import { createCredential } from '../tls/credential.ts';
import { privateKeyPem } from '../tls/generate.ts';
import { loadKeyPair } from '../tls/material.ts';
import { parseSubjectAltName, type SubjectAltName } from '../tls/subject-alt-name.ts';
import { loadCertificates } from '../tls/trust.ts';
import type { Gateway } from './gateway.ts';
import { loadMaterial } from './material.ts';
import { makeFolder, type OutputFile, writeFiles } from './output-file.ts';
import { run } from './run.ts';

export interface DemoOptions {
  /** Certificates and configuration are written here. */
  readonly folder: string;
  /** 0: any free one. */
  readonly port: number;
  /** Ends after the verdicts instead of serving on. */
  readonly once: boolean;
  readonly version: string;
  readonly color: boolean;
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
}

interface Attempt {
  readonly name: string;
  readonly text: string;
  readonly expected: ProbeReport['verdict'];
}

const ATTEMPTS: readonly Attempt[] = [
  { name: 'minutes.txt', text: 'Minutes of the meeting: nothing to hide.\n', expected: 'allowed' },
  { name: 'eicar.com', text: EICAR, expected: 'blocked' },
];

const CONFIG_NAME = 'demo.yaml';
const DAYS = 365;
const KEY = { type: 'ec', bits: 256 } as const;

/** Shows the whole way of a document. Returns whether both verdicts were right; when serving on, once it is stopped. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { folder, print } = options;
  makeFolder(folder);
  await using icapServer = await startIcapServer({ host: '127.0.0.1', port: 0 });
  const configFile = { name: CONFIG_NAME, mode: 0o644, content: configText(options.port, icapServer.port) } as const;
  writeFiles(folder, [...(await makeCertificates()), configFile]);
  print(`certificates  in ${folder}: a lab CA, a server, a client\n`);
  print(`ICAP server   icap://127.0.0.1:${icapServer.port} (a demonstration, not a scanner)\n`);
  const file = join(folder, CONFIG_NAME);
  const { config, problems, lineOf } = loadConfig(file);
  if (config === undefined) throw new ConfigError('ICAPGW_CONFIG_INVALID', problems, { detail: file });
  let isRight = false;
  await run({
    config,
    material: loadMaterial(config, lineOf).services,
    warnings: problems,
    version: options.version,
    color: options.color,
    complain: options.complain,
    onReady: (gateway) => {
      showVerdicts(gateway, options).then(
        (right) => {
          isRight = right;
          // The same way out as for everybody else: drained, with everything closed.
          if (options.once) process.kill(process.pid, 'SIGTERM');
        },
        (error: unknown) => {
          options.complain(`icapgw: ${error instanceof Error ? error.message : String(error)}\n`);
          process.kill(process.pid, 'SIGTERM');
        },
      );
    },
  });
  return isRight;
}

async function showVerdicts(gateway: Gateway, { folder, print, color, once }: DemoOptions): Promise<boolean> {
  const [address] = gateway.current.addresses.flat();
  const port = address?.kind === 'tcp' ? address.port : 0;
  print(`gateway       icaps://localhost:${port}, TLS with a client certificate\n\n`);
  let isRight = true;
  const keyPair = loadKeyPair({
    certFile: join(folder, 'client.pem'),
    keyFile: join(folder, 'client-key.pem'),
    passphraseFile: undefined,
    securityLevel: undefined,
  });
  const tls = { trusted: loadCertificates([join(folder, 'ca.pem')]), keyPair, serverName: undefined, verify: true };
  for (const { name, text, expected } of ATTEMPTS) {
    const report = await probe({
      target: { scheme: 'icaps', host: 'localhost', port, path: '/reqmod' },
      profile: PROFILES.reqmod,
      method: undefined,
      document: textDocument(name, text),
      usePreview: true,
      allow204: true,
      fields: [],
      tls,
      timeouts: { connectMs: 5000, silenceMs: 10_000, totalMs: 20_000 },
      trace: () => {},
      cancel: new AbortController().signal,
    });
    print(`${name.padEnd(13)} ${painted(verdictWord(report), report.verdict, color)}${threatText(report)}\n`);
    if (report.verdict !== expected) isRight = false;
  }
  if (once) return isRight;
  const base = `icapgw probe icaps://localhost:${port}/reqmod --cert ${folder}/client.pem --key ${folder}/client-key.pem --ca ${folder}/ca.pem`;
  print(
    `\nServing on. Ctrl-C ends it.\n  status   ${gateway.adminUrl ?? 'off'}/\n  metrics  ${gateway.adminUrl ?? 'off'}/metrics, each transaction in icapgw_icap_verdicts_total\n`,
  );
  print(`  try      npx ${base} --text "card 4111 1111 1111 1111"\n`);
  return isRight;
}

function threatText({ threat, tls, answerMs }: ProbeReport): string {
  const found = threat === undefined ? '' : `, ${threat}`;
  return `${found} (${tls?.version ?? 'in clear'}, ${Math.round(answerMs)} ms)`;
}

function painted(word: string, verdict: ProbeReport['verdict'], color: boolean): string {
  return color ? styleText(verdict === 'blocked' ? 'red' : 'green', word, { validateStream: false }) : word;
}

async function makeCertificates(): Promise<readonly OutputFile[]> {
  const base = { key: KEY, days: DAYS };
  const ca = await createCredential({ ...base, commonName: 'icapgw demo CA', sans: [], role: 'ca', issuer: undefined });
  const names = ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1'].map(parseSubjectAltName).filter(isName);
  const server = { ...base, commonName: 'localhost', sans: names, role: 'server', issuer: ca } as const;
  const client = { ...base, commonName: 'demo client', sans: [], role: 'client', issuer: ca } as const;
  const [serverPair, clientPair] = await Promise.all([createCredential(server), createCredential(client)]);
  const serverPem = privateKeyPem(serverPair.privateKey) + serverPair.certificatePem;
  return [
    { name: 'ca.pem', mode: 0o644, content: ca.certificatePem },
    { name: 'stunnel-key.pem', mode: 0o600, content: serverPem },
    { name: 'client.pem', mode: 0o644, content: clientPair.certificatePem },
    { name: 'client-key.pem', mode: 0o600, content: privateKeyPem(clientPair.privateKey) },
  ];
}

function isName(name: SubjectAltName | undefined): name is SubjectAltName {
  return name !== undefined;
}

function configText(port: number, icapPort: number): string {
  return `# Written by \`icapgw demo\`; made anew each time.
log:
  level: warning
admin:
  listen: 127.0.0.1:${port === 0 ? 0 : 9344}
services:
  - name: demo
    listen: 127.0.0.1:${port}
    tls:
      cert: stunnel-key.pem
      client-auth:
        mode: require
        ca: ca.pem
    backends:
      - address: 127.0.0.1:${icapPort}
        name: demo-icap
    health:
      path: /reqmod
`;
}
