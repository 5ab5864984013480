import type { X509Certificate } from 'node:crypto';
import { nameFromLines } from '../tls/distinguished-name.ts';
import type { Peer } from './peer.ts';

/** What a program that serves a client knows of it, in variables that are called as stunnel calls them. */
export function programFacts(
  { address, text }: Peer,
  certificate: X509Certificate | undefined,
): Record<string, string> {
  return {
    ...(address !== undefined && { REMOTE_HOST: address, REMOTE_PORT: text.slice(text.lastIndexOf(':') + 1) }),
    ...(certificate !== undefined && {
      SSL_CLIENT_DN: nameFromLines(certificate.subject),
      SSL_CLIENT_I_DN: nameFromLines(certificate.issuer),
    }),
  };
}
