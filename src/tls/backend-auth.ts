import type { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';
import type { BackendTlsConfig } from '../config/tls-config.ts';
import type { BackendMaterial } from './backend-material.ts';
import { sha256Hex } from './certificate.ts';
import { CertificateJudge } from './certificate-judge.ts';
import type { HandshakeProblem } from './handshake-failure.ts';

/** What a handshake brought to light about a backend. */
export interface BackendEvidence {
  /** OpenSSL's code, undefined where it found nothing wrong; for a resumed session, what it found at the full handshake. */
  readonly verifyCode: string | undefined;
  /** Undefined where the backend showed none. */
  readonly certificate: X509Certificate | undefined;
  /** Whether the pre-shared key was used, so that the backend knows it. */
  readonly hasProvedKey: boolean;
}

const NO_KEY: HandshakeProblem = {
  reason: 'no-key',
  detail: 'the backend did not use the pre-shared key',
};

/** Decides whether a backend is who it must be. Asked on every connection, resumed or not. */
export class BackendAuth {
  readonly #tls: BackendTlsConfig;
  readonly #pins: ReadonlySet<string>;
  readonly #judge: CertificateJudge;

  constructor({ tls, trust, pins }: BackendMaterial) {
    this.#tls = tls;
    this.#pins = new Set(pins);
    this.#judge = new CertificateJudge(trust, tls.allow);
  }

  /** Why the backend is not who it must be; undefined when it is. `serverName`: whom its certificate must name. */
  judge(evidence: BackendEvidence, serverName: string, nowMs: number): HandshakeProblem | undefined {
    const { verifyCode, certificate } = evidence;
    if (this.#tls.pskFile !== undefined) {
      if (evidence.hasProvedKey) return undefined;
      // Whoever has any certificate at all could otherwise answer, and the key would protect nothing.
      if (!this.#isTakingCertificates) return NO_KEY;
    }
    if (!this.#tls.verify) return undefined;
    if (certificate === undefined) return { reason: 'no-certificate', detail: 'the backend showed no certificate' };
    if (this.#pins.size > 0) return this.#judgeFingerprint(certificate) ?? this.#judge.judgeName(certificate);
    return this.#judge.judge(verifyCode, certificate, nowMs) ?? this.#judgeServerName(certificate, serverName);
  }

  /** In place of the key: those that the configuration names or vouches for. */
  get #isTakingCertificates(): boolean {
    return this.#tls.verify && (this.#tls.ca.length > 0 || this.#pins.size > 0);
  }

  #judgeFingerprint(certificate: X509Certificate): HandshakeProblem | undefined {
    const digest = sha256Hex(certificate.raw);
    if (this.#pins.has(digest)) return undefined;
    if (this.#pins.has(sha256Hex(certificate.publicKey.export({ type: 'spki', format: 'der' })))) return undefined;
    return {
      reason: 'not-pinned',
      detail: `the backend's certificate (SHA-256 ${digest}) is none of the pinned ones`,
    };
  }

  /** A certificate that was named itself needs no name; an allow list is about names already. */
  #judgeServerName(certificate: X509Certificate, serverName: string): HandshakeProblem | undefined {
    if (!this.#tls.verifyName || this.#judge.hasAllowList || this.#judge.isPinned(certificate)) return undefined;
    const mismatch = checkServerIdentity(serverName, certificate.toLegacyObject());
    return mismatch === undefined ? undefined : { reason: 'not-allowed', detail: mismatch.message };
  }
}
