import { createHash } from 'node:crypto';
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { BackendMaterial } from '../tls/backend-material.ts';

/** Who a backend must be, ready for its TLS connections. Made once per backend: a context costs milliseconds. */
export interface BackendIdentity {
  readonly context: SecureContext;
  /** For SNI and the name check, in place of the name of the host that is dialled. */
  readonly serverName: string | undefined;
  readonly rejectUnauthorized: boolean;
  /** The check of the name, where the chain is verified. */
  readonly checkServer: (serverName: string, certificate: PeerCertificate) => Error | undefined;
  /** After the handshake: why the backend is not who it must be. */
  readonly judge: (socket: TLSSocket) => string | undefined;
}

export function createBackendIdentity(material: BackendMaterial): BackendIdentity {
  const { caPem, keyPair, pins, serverName, verify } = material;
  const isPinned = pins.length > 0;
  return {
    serverName,
    context: createSecureContext({
      ...(caPem !== undefined && { ca: [...caPem] }),
      ...(keyPair !== undefined && { cert: keyPair.certChainPem, key: keyPair.keyPem }),
      minVersion: 'TLSv1.2',
    }),
    rejectUnauthorized: verify && !isPinned,
    checkServer: (name, certificate) => (isPinned ? undefined : checkServerIdentity(name, certificate)),
    judge: (socket) => (isPinned ? judgePin(socket, pins) : undefined),
  };
}

function judgePin(socket: TLSSocket, pins: readonly string[]): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'the backend showed no certificate';
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  const digests = [certificate.raw, spki].map((der) => createHash('sha256').update(der).digest('hex'));
  if (digests.some((digest) => pins.includes(digest))) return undefined;
  return `the backend's certificate (SHA-256 ${digests[0]}) is none of the pinned ones`;
}
