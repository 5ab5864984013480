import type { BackendTlsConfig } from '../config/config.ts';
import { materialError } from './file.ts';
import { parseSha256 } from './fingerprint.ts';
import { type KeyPair, loadKeyPair } from './material.ts';
import { loadCertificates } from './trust.ts';

/** What TLS to one backend needs; plain values, so that it goes to workers as it is. */
export interface BackendMaterial {
  /** One certificate each; undefined: the runtime's public CAs (an empty list would trust nobody). */
  readonly caPem: readonly string[] | undefined;
  /** What this side shows when the backend asks. */
  readonly keyPair: KeyPair | undefined;
  /** SHA-256 of a certificate or of its public key, lower-case hex; any match replaces the chain check. */
  readonly pins: readonly string[];
  /** For SNI and the name check; undefined: the host of the backend's address. */
  readonly serverName: string | undefined;
  readonly verify: boolean;
}

/** Reads the files of a backend's TLS settings. Throws TlsMaterialError, naming the file or the pin that is wrong. */
export function loadBackendMaterial(config: BackendTlsConfig): BackendMaterial {
  const { ca, cert, key, keyPassphraseFile, pinSha256, serverName, verify } = config;
  if (cert === undefined && key !== undefined) {
    throw materialError(key, 'is a private key for a backend without a certificate: name the certificate with `cert`');
  }
  return {
    caPem: ca.length === 0 ? undefined : loadCertificates(ca).map(({ pem }) => pem),
    keyPair:
      cert === undefined
        ? undefined
        : loadKeyPair({ certFile: cert, keyFile: key, passphraseFile: keyPassphraseFile, securityLevel: undefined }),
    pins: pinSha256.map(requireSha256),
    serverName,
    verify,
  };
}

/** The files and folders that `loadBackendMaterial` reads. */
export function backendFilesOf({ ca, cert, key, keyPassphraseFile }: BackendTlsConfig): readonly string[] {
  return [cert, key, keyPassphraseFile, ...ca].filter((file) => file !== undefined);
}

function requireSha256(pin: string): string {
  const hex = parseSha256(pin);
  if (hex === undefined) throw materialError(pin, 'is no SHA-256: write 64 hex digits (colons allowed) or base64');
  return hex;
}
