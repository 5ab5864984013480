import type { X509Certificate } from 'node:crypto';
import type { AllowConfig, ClientAuthConfig } from '../config/config.ts';
import { AllowList } from './allow-list.ts';
import { isoDay, sha256Hex } from './certificate.ts';
import { createCrlEnd } from './crl-end.ts';
import { nameFromLines } from './distinguished-name.ts';
import { type HandshakeProblem, problemOfVerification } from './handshake-failure.ts';
import type { Trust } from './trust.ts';

/** What the handshake brought to light about the client. */
export interface ClientEvidence {
  /** OpenSSL's code, undefined where it found nothing wrong; for a resumed session, what it found at the full handshake. */
  readonly verifyCode: string | undefined;
  /** Undefined where the client showed none. */
  readonly certificate: X509Certificate | undefined;
}

/**
 * Decides whether a client may pass. Asked on every connection, resumed or not: what a session remembers is what was
 * true when it began.
 */
export class ClientAuth {
  readonly #config: ClientAuthConfig;
  readonly #trust: Trust | undefined;
  readonly #pins: ReadonlySet<string>;
  readonly #allow: AllowList | undefined;
  readonly #crlEndMs: (issuer: string) => number;

  constructor(config: ClientAuthConfig, trust: Trust | undefined) {
    this.#config = config;
    this.#trust = trust;
    this.#pins = new Set(trust?.pins);
    this.#allow = isEmpty(config.allow) ? undefined : new AllowList(config.allow);
    this.#crlEndMs = createCrlEnd(trust ?? { caSummaries: [], crlSummaries: [] });
  }

  /** Whether clients are asked for a certificate, so that there is evidence to judge. */
  get isAsking(): boolean {
    return this.#config.mode !== 'none';
  }

  /**
   * Whether OpenSSL has just settled the matter and looking at the certificate, which costs a tenth of a millisecond,
   * could change nothing: a full handshake in which it found a chain to an anchor, and nobody on a list to look for.
   */
  isSettled(verifyCode: string | undefined, resumed: boolean): boolean {
    const { mode, verify } = this.#config;
    const isChainOnly = mode === 'require' && verify && this.#trust?.mode === 'chain' && this.#allow === undefined;
    // Without a certificate OpenSSL has a code to say so.
    return isChainOnly && verifyCode === undefined && !resumed;
  }

  /** Why the client may not pass; undefined when it may. */
  judge({ verifyCode, certificate }: ClientEvidence, nowMs: number): HandshakeProblem | undefined {
    const { mode, verify } = this.#config;
    if (mode === 'none') return undefined;
    if (certificate === undefined) {
      return mode === 'optional'
        ? undefined
        : { reason: 'no-certificate', detail: 'the client did not show a certificate' };
    }
    if (!verify) return undefined;
    // A verifying policy without its trust store would let everybody pass: impossible by construction, fatal if not.
    if (this.#trust === undefined)
      throw new TypeError('a client is to be verified and there is nothing to verify with');
    return (
      this.#judgeTrust(this.#trust, verifyCode, certificate) ??
      this.#judgeTime(certificate, nowMs) ??
      this.#judgeName(certificate)
    );
  }

  #judgeTrust(
    trust: Trust,
    verifyCode: string | undefined,
    certificate: X509Certificate,
  ): HandshakeProblem | undefined {
    const isPinned = trust.mode !== 'chain' && this.#pins.has(sha256Hex(certificate.raw));
    if (trust.mode === 'pin' && !isPinned) return NOT_PINNED;
    if (verifyCode !== undefined) return problemOfVerification(mainCode(trust, verifyCode, certificate));
    return trust.mode === 'chain-and-pin' && !isPinned ? NOT_PINNED : undefined;
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

  #judgeName(certificate: X509Certificate): HandshakeProblem | undefined {
    if (this.#allow === undefined || this.#allow.admits(certificate)) return undefined;
    return { reason: 'not-allowed', detail: 'the certificate is valid but matches no entry of client-auth.allow' };
  }
}

const NOT_PINNED: HandshakeProblem = {
  reason: 'not-pinned',
  detail: 'the certificate is none of those in the file of pinned certificates',
};

/**
 * OpenSSL keeps the last of several errors. That there is no list for a stranger who signed for itself says nothing;
 * that it is a stranger does.
 */
function mainCode({ caSummaries }: Trust, verifyCode: string, certificate: X509Certificate): string {
  if (verifyCode !== 'UNABLE_TO_GET_CRL' || !certificate.checkIssued(certificate)) return verifyCode;
  const fingerprint = sha256Hex(certificate.raw);
  const isKnown = caSummaries.some(({ fingerprint256 }) => fingerprint256 === fingerprint);
  return isKnown ? verifyCode : 'DEPTH_ZERO_SELF_SIGNED_CERT';
}

function isEmpty({ subjects, sans, spkiSha256 }: AllowConfig): boolean {
  return subjects.length + sans.length + spkiSha256.length === 0;
}
