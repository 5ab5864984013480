import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { createCrl } from '../../src/tls/generate.ts';
import type { LabIdentity } from './certificate-lab.ts';
import { certificates } from './certificates.ts';
import type { LoggedLine, RunningGateway, SpawnedGateway } from './e2e-gateway.ts';

/** What one reload came to. */
export interface Reloaded {
  readonly isTaken: boolean;
  /** All that was logged of it, the outcome last. */
  readonly events: readonly LoggedLine[];
}

const PATIENCE_MS = 20_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Replaces the configuration of a running gateway. An object is completed as `startGateway` completes it. */
export function rewriteConfig({ file }: SpawnedGateway, config: string | object): void {
  replaceFile(file, typeof config === 'string' ? config : JSON.stringify(completed(config)));
}

/** Replaces the configuration of a running gateway, lets it load that, and waits for the outcome. */
export async function reloadWith(gateway: RunningGateway, config: string | object): Promise<Reloaded> {
  const from = gateway.events.length;
  rewriteConfig(gateway, config);
  gateway.signal('SIGHUP');
  const outcome = await laterEvent(gateway, from, ['reloaded', 'reload-failed']);
  const events = gateway.events.slice(from, gateway.events.indexOf(outcome) + 1);
  return { isTaken: outcome.event === 'reloaded', events };
}

/** The first event of these names that is logged after so many others. */
export async function laterEvent(
  gateway: SpawnedGateway,
  from: number,
  names: readonly LoggedLine['event'][],
): Promise<LoggedLine> {
  return await vi.waitUntil(() => gateway.events.slice(from).find(({ event }) => names.includes(event)), {
    timeout: PATIENCE_MS,
    interval: 5,
  });
}

/** As certificate renewers do it: whoever opens the file finds the old content or the new. */
export function replaceFile(path: string, content: string | Buffer): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** A revocation list of the lab's CA. */
export function crlWith(...revoked: readonly LabIdentity[]): string {
  const { ca } = certificates();
  return createCrl({
    issuer: {
      certificatePem: readFileSync(ca.cert, 'utf8'),
      privateKey: createPrivateKey(readFileSync(ca.key)),
    },
    revokedSerials: revoked.map(({ cert }) => new X509Certificate(readFileSync(cert)).serialNumber),
    thisUpdateMs: Date.now() - DAY_MS,
    nextUpdateMs: Date.now() + DAY_MS,
  });
}

/** A certificate and its key in files of their own, which can be replaced. */
export interface SwappedIdentity {
  readonly cert: string;
  readonly key: string;
  /** The key first: for a moment it does not fit the certificate. */
  swap(identity: LabIdentity): void;
}

export function createSwappedIdentity(folder: string, identity: LabIdentity): SwappedIdentity {
  const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const swap = (next: LabIdentity): void => {
    replaceFile(key, readFileSync(next.key));
    replaceFile(cert, readFileSync(next.cert));
  };
  swap(identity);
  return { cert, key, swap };
}

/** Points a symbolic link elsewhere, in one step. */
export function swapLink(link: string, target: string): void {
  symlinkSync(target, `${link}.new`);
  renameSync(`${link}.new`, link);
}

function completed(config: object): object {
  const { log = {}, ...rest } = config as { readonly log?: object };
  return { admin: { listen: '127.0.0.1:0' }, ...rest, log: { format: 'json', level: 'debug', ...log } };
}
