import type { X509Certificate } from 'node:crypto';
import type { AllowConfig } from '../config/tls-config.ts';
import { AllowList } from './allow-list.ts';
import { isoDay, sha256Hex } from './certificate.ts';
import { createCrlEnd } from './crl-end.ts';
import { nameFromLines } from './distinguished-name.ts';
import { type HandshakeProblem, problemOfVerification } from './handshake-failure.ts';
import type { Trust } from './trust.ts';

/**
 * Decides whether a certificate that was shown will do, by what is trusted now. OpenSSL's finding is only evidence: for a
 * resumed session it is that of the full handshake, and the rest may have changed since.
 */
export class CertificateJudge {
  /** Undefined: the runtime's public CAs, whose verdict is OpenSSL's alone. */
  readonly #trust: Trust | undefined;
  readonly #pins: ReadonlySet<string>;
  readonly #allow: AllowList | undefined;
  readonly #crlEndMs: (issuer: string) => number;

  constructor(trust: Trust | undefined, allow: AllowConfig) {
    this.#trust = trust;
    this.#pins = new Set(trust?.pins);
    this.#allow = isEmpty(allow) ? undefined : new AllowList(allow);
    this.#crlEndMs = createCrlEnd(trust ?? { caSummaries: [], crlSummaries: [] });
  }

  /** Whether only some of those that can be trusted may pass. */
  get hasAllowList(): boolean {
    return this.#allow !== undefined;
  }

  /** Whether the certificate is one of those that were named themselves. */
  isPinned(certificate: X509Certificate): boolean {
    return this.#pins.size > 0 && this.#pins.has(sha256Hex(certificate.raw));
  }

  /** `verifyCode`: OpenSSL's, undefined where it found nothing wrong. Returns undefined for a certificate that will do. */
  judge(verifyCode: string | undefined, certificate: X509Certificate, nowMs: number): HandshakeProblem | undefined {
    return (
      this.#judgeTrust(verifyCode, certificate) ?? this.#judgeTime(certificate, nowMs) ?? this.judgeName(certificate)
    );
  }

  /** The allow list alone. */
  judgeName(certificate: X509Certificate): HandshakeProblem | undefined {
    if (this.#allow === undefined || this.#allow.admits(certificate)) return undefined;
    return {
      reason: 'not-allowed',
      detail: 'the certificate is valid but matches no entry of allow (stunnel: checkHost, checkIP, checkEmail)',
    };
  }

  #judgeTrust(verifyCode: string | undefined, certificate: X509Certificate): HandshakeProblem | undefined {
    const { mode = 'chain' } = this.#trust ?? {};
    const isPinned = mode !== 'chain' && this.isPinned(certificate);
    if (mode === 'pin' && !isPinned) return NOT_PINNED;
    if (verifyCode !== undefined) return problemOfVerification(this.#mainCode(verifyCode, certificate));
    return mode === 'chain-and-pin' && !isPinned ? NOT_PINNED : undefined;
  }

  /** OpenSSL checked this at the full handshake; a session may be resumed after the end. */
  #judgeTime(certificate: X509Certificate, nowMs: number): HandshakeProblem | undefined {
    const endMs = certificate.validToDate.getTime();
    if (endMs < nowMs) return { reason: 'expired', detail: `certificate has expired on ${isoDay(endMs)}` };
    const startMs = certificate.validFromDate.getTime();
    if (startMs > nowMs) {
      return { reason: 'not-yet-valid', detail: `certificate is not valid before ${isoDay(startMs)}` };
    }
    const crlEndMs = this.#crlEndMs(nameFromLines(certificate.issuer));
    if (crlEndMs < nowMs) return { reason: 'crl-expired', detail: `CRL has expired on ${isoDay(crlEndMs)}` };
    return undefined;
  }

  /**
   * OpenSSL keeps the last of several errors. That there is no list for a stranger who signed for itself says nothing;
   * that it is a stranger does.
   */
  #mainCode(verifyCode: string, certificate: X509Certificate): string {
    if (verifyCode !== 'UNABLE_TO_GET_CRL' || !certificate.checkIssued(certificate)) return verifyCode;
    const fingerprint = sha256Hex(certificate.raw);
    const isKnown = this.#trust?.caSummaries.some(({ fingerprint256 }) => fingerprint256 === fingerprint);
    return isKnown === true ? verifyCode : 'DEPTH_ZERO_SELF_SIGNED_CERT';
  }
}

const NOT_PINNED: HandshakeProblem = {
  reason: 'not-pinned',
  detail: 'the certificate is none of those in the file of pinned certificates',
};

function isEmpty({ subjects, sans, spkiSha256 }: AllowConfig): boolean {
  return subjects.length + sans.length + spkiSha256.length === 0;
}
