import { createSecureContext, type SecureContext } from 'node:tls';
import type { ServiceTlsConfig, TlsOfferConfig } from '../config/tls-config.ts';
import { messageOf } from '../errors.ts';
import { createBackendContext } from './backend-context.ts';
import type { BackendMaterial } from './backend-material.ts';
import { cipherList } from './cipher-list.ts';
import { createServerContext } from './server-context.ts';
import type { ServiceMaterial } from './service-material.ts';

/** A setting that this runtime's OpenSSL does not take. */
export interface RefusedSetting {
  /** As in the configuration; undefined where it is none of the lists. */
  readonly key: 'ciphers' | 'ciphersuites' | 'groups' | undefined;
  readonly message: string;
}

const NO_TICKETS = { keys: Buffer.alloc(48), sessionIdContext: 'check' };

/** Makes the context that workers will make, to learn at start, with a line, what they would die of. */
export function findRefusedSetting(tls: ServiceTlsConfig, material: ServiceMaterial): RefusedSetting | undefined {
  return findRefused(tls, () => createServerContext({ tls, material, tickets: NO_TICKETS }));
}

/** The same for TLS with a backend. */
export function findRefusedBackendSetting(material: BackendMaterial): RefusedSetting | undefined {
  return findRefused(material.tls, () => createBackendContext(material));
}

function findRefused(tls: TlsOfferConfig, createContext: () => SecureContext): RefusedSetting | undefined {
  try {
    createContext();
    return undefined;
  } catch (error) {
    const key = refusedKey(tls);
    const value = key === undefined ? '' : `"${tls[key]}": `;
    return { key, message: `${value}OpenSSL does not take it: ${messageOf(error)}` };
  }
}

function refusedKey({ ciphers, ciphersuites, groups, securityLevel }: TlsOfferConfig): RefusedSetting['key'] {
  if (groups !== undefined && !isTaken({ ecdhCurve: groups })) return 'groups';
  if (ciphersuites !== undefined && !isTaken({ ciphers: ciphersuites })) return 'ciphersuites';
  if (ciphers === undefined) return undefined;
  return isTaken({ ciphers: cipherList({ ciphers, ciphersuites: undefined, securityLevel }) }) ? undefined : 'ciphers';
}

function isTaken(options: Parameters<typeof createSecureContext>[0]): boolean {
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}
