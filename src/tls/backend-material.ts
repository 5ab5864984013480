import type { BackendTlsConfig } from '../config/tls-config.ts';
import { materialError } from './file.ts';
import { parseSha256 } from './fingerprint.ts';
import { type KeyPair, loadKeyPair } from './material.ts';
import { loadPskFile, type PskLine } from './psk-file.ts';
import { loadTrust, type Trust } from './trust.ts';

/** What TLS to one backend needs; plain values, so that it goes to workers as it is. */
export interface BackendMaterial {
  readonly tls: BackendTlsConfig;
  /** Undefined: the runtime's public CAs, or nobody is verified by files. */
  readonly trust: Trust | undefined;
  /** What this side shows when the backend asks. */
  readonly keyPair: KeyPair | undefined;
  /** What this side and the backend both know. */
  readonly psk: PskLine | undefined;
  readonly pskWarnings: readonly string[];
  /** SHA-256 of a certificate or of its public key, lower-case hex; any match replaces the chain check. */
  readonly pins: readonly string[];
}

/** Reads the files of a backend's TLS settings. Throws TlsMaterialError, naming the file or the pin that is wrong. */
export function loadBackendMaterial(tls: BackendTlsConfig): BackendMaterial {
  const { ca, cert, key, keyPassphraseFile, pinSha256, securityLevel, verify } = tls;
  if (cert === undefined && key !== undefined) {
    throw materialError(key, 'is a private key for a backend without a certificate: name the certificate with `cert`');
  }
  const psk = loadPsk(tls);
  return {
    tls,
    trust: verify && ca.length > 0 ? loadTrust(tls, 'backend') : undefined,
    keyPair:
      cert === undefined
        ? undefined
        : loadKeyPair({ certFile: cert, keyFile: key, passphraseFile: keyPassphraseFile, securityLevel }),
    psk: psk?.line,
    pskWarnings: psk?.warnings ?? [],
    pins: pinSha256.map(requireSha256),
  };
}

/** The files and folders that `loadBackendMaterial` reads. */
export function backendFilesOf(tls: BackendTlsConfig): readonly string[] {
  const { ca, crl, cert, key, keyPassphraseFile, pskFile } = tls;
  return [cert, key, keyPassphraseFile, pskFile, ...ca, ...crl].filter((file) => file !== undefined);
}

/** What the material has to say although it can be used. */
export function backendMaterialWarnings({ keyPair, pskWarnings, trust }: BackendMaterial): readonly string[] {
  return [...(keyPair?.warnings ?? []), ...pskWarnings, ...(trust?.warnings ?? [])];
}

function loadPsk({
  pskFile,
  pskIdentity,
}: BackendTlsConfig): { line: PskLine; warnings: readonly string[] } | undefined {
  if (pskFile === undefined) return undefined;
  const { lines, warnings } = loadPskFile(pskFile);
  const line = pskIdentity === undefined ? lines[0] : lines.find(({ identity }) => identity === pskIdentity);
  if (line === undefined) throw materialError(pskFile, 'No key found for the specified PSK identity');
  return { line, warnings };
}

function requireSha256(pin: string): string {
  const hex = parseSha256(pin);
  if (hex === undefined) throw materialError(pin, 'is no SHA-256: write 64 hex digits (colons allowed) or base64');
  return hex;
}
