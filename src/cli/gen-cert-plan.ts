import { join } from 'node:path';
import { exists } from '../runtime/output-file.ts';
import type { GenCertFlags } from './gen-cert-options.ts';

/** What is to be made, decided before anything is. */
export interface GenCertPlan {
  readonly kind: 'certificate' | 'request';
  /** `use`: the lab CA that is in the folder signs. */
  readonly ca: 'none' | 'make' | 'use';
  /** False when only another client is added to a lab. */
  readonly server: boolean;
  readonly client: boolean;
  /** Every file that will be written. */
  readonly names: readonly string[];
}

/** Decides from the flags and from what is in the folder; writes nothing. */
export function planGenCert(flags: GenCertFlags, dir: string): GenCertPlan {
  if (flags.csr === true) {
    return { kind: 'request', ca: 'none', server: true, client: false, names: ['key.pem', 'cert.csr'] };
  }
  const client = flags.client === true;
  // One half of a CA is enough to try it and fail: it must never be replaced in passing.
  const hasCa = exists(join(dir, 'ca.pem')) || exists(join(dir, 'ca-key.pem'));
  const ca = client && hasCa && flags.ca !== true ? 'use' : client || flags.ca === true ? 'make' : 'none';
  const server = ca !== 'use';
  const names = [
    ...(server ? ['key.pem', 'cert.pem', `${flags.name}.pem`] : []),
    ...(ca === 'make' ? ['ca-key.pem', 'ca.pem'] : []),
    ...(client ? ['client-key.pem', 'client.pem'] : []),
  ];
  return { kind: 'certificate', ca, server, client, names };
}

/** What was written and where each file goes, for the terminal. */
export function describeGenCert(plan: GenCertPlan, name: string, dir: string): string {
  const rows = plan.names.map((file): [string, string] => [file, describeFile(file, name, plan, dir)]);
  const width = Math.max(...rows.map(([file]) => file.length));
  const lines = rows.map(([file, text]) => `  ${file.padEnd(width)}  ${text}`);
  return [`Written to ${dir}:`, ...lines, '', ...nextSteps(plan, name, dir), ''].join('\n');
}

function describeFile(file: string, name: string, plan: GenCertPlan, dir: string): string {
  const inCa = `CAfile = ${join(dir, 'ca.pem')} (YAML: tls.client-auth.ca)`;
  switch (file) {
    case 'key.pem':
      return 'the private key; it stays on this machine';
    case 'cert.csr':
      return 'the request: send it to your CA';
    case 'cert.pem':
      return 'the certificate: upload it to the portal of the cloud service';
    case `${name}.pem`:
      return `key and certificate: cert = ${join(dir, file)} (YAML: tls.cert)`;
    case 'ca.pem':
      return plan.client
        ? `the lab CA: ${inCa}; clients trust it too`
        : `the lab CA: clients trust it; ${inCa} accepts the clients it issued`;
    case 'ca-key.pem':
      return 'the private key of the lab CA; keep it off the gateway';
    case 'client.pem':
      return 'the certificate of the client: it goes to the ICAP client, with its key';
    default:
      return 'the private key of the client';
  }
}

function nextSteps({ kind, ca }: GenCertPlan, name: string, dir: string): string[] {
  if (kind === 'request') {
    const combined = join(dir, `${name}.pem`);
    return [
      'When your CA has answered with cert.pem:',
      `  (umask 077; cat key.pem cert.pem > "${combined}")`,
      `and write cert = ${combined} into the configuration.`,
    ];
  }
  if (ca === 'use')
    return [`The gateway accepts this client where CAfile (tls.client-auth.ca) is ${join(dir, 'ca.pem')}.`];
  if (ca === 'make') return ['This CA is for a lab: whoever has ca-key.pem can make clients the gateway accepts.'];
  return ['The certificate is self-signed: whoever connects must be given cert.pem to trust.'];
}
