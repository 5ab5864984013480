import { type Expiry, listExpiries } from '../tls/expiry.ts';
import type { KeyPair } from '../tls/material.ts';

/** When what the listener of a feed shows expires, the soonest first; nothing where it speaks in clear. */
export function feedExpiries(keyPair: KeyPair | undefined, nowMs: number): readonly Expiry[] {
  const server = keyPair === undefined ? [] : [keyPair.leaf, ...keyPair.chain];
  return listExpiries({ server, clientCa: [], backendClient: [], backendCa: [], crl: [] }, nowMs);
}
