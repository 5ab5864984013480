import type { BackendTlsConfig } from '../config/config.ts';
import { materialError } from './file.ts';
import { parseSha256 } from './fingerprint.ts';
import { type KeyPair, loadKeyPair } from './material.ts';
import { loadTrust, type Trust } from './trust.ts';

/** What TLS to one backend needs; plain values, so that it goes to workers as it is. */
export interface BackendMaterial {
  readonly tls: BackendTlsConfig;
  /** Undefined: the runtime's public CAs, or nobody is verified by files. */
  readonly trust: Trust | undefined;
  /** What this side shows when the backend asks. */
  readonly keyPair: KeyPair | undefined;
  /** SHA-256 of a certificate or of its public key, lower-case hex; any match replaces the chain check. */
  readonly pins: readonly string[];
}

/** Reads the files of a backend's TLS settings. Throws TlsMaterialError, naming the file or the pin that is wrong. */
export function loadBackendMaterial(tls: BackendTlsConfig): BackendMaterial {
  const { ca, cert, key, keyPassphraseFile, pinSha256, securityLevel, verify } = tls;
  if (cert === undefined && key !== undefined) {
    throw materialError(key, 'is a private key for a backend without a certificate: name the certificate with `cert`');
  }
  return {
    tls,
    trust: verify && ca.length > 0 ? loadTrust(tls, 'backend') : undefined,
    keyPair:
      cert === undefined
        ? undefined
        : loadKeyPair({ certFile: cert, keyFile: key, passphraseFile: keyPassphraseFile, securityLevel }),
    pins: pinSha256.map(requireSha256),
  };
}

/** The files and folders that `loadBackendMaterial` reads. */
export function backendFilesOf({ ca, crl, cert, key, keyPassphraseFile }: BackendTlsConfig): readonly string[] {
  return [cert, key, keyPassphraseFile, ...ca, ...crl].filter((file) => file !== undefined);
}

/** What the material has to say although it can be used. */
export function backendMaterialWarnings({ keyPair, trust }: BackendMaterial): readonly string[] {
  return [...(keyPair?.warnings ?? []), ...(trust?.warnings ?? [])];
}

function requireSha256(pin: string): string {
  const hex = parseSha256(pin);
  if (hex === undefined) throw materialError(pin, 'is no SHA-256: write 64 hex digits (colons allowed) or base64');
  return hex;
}
