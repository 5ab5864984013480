import type { X509Certificate } from 'node:crypto';
import type { ClientAuthConfig } from '../config/tls-config.ts';
import { CertificateJudge } from './certificate-judge.ts';
import type { HandshakeProblem } from './handshake-failure.ts';
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
  readonly #judge: CertificateJudge;

  constructor(config: ClientAuthConfig, trust: Trust | undefined) {
    this.#config = config;
    this.#trust = trust;
    this.#judge = new CertificateJudge(trust, config.allow);
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
    const isChainOnly = mode === 'require' && verify && this.#trust?.mode === 'chain' && !this.#judge.hasAllowList;
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
    return this.#judge.judge(verifyCode, certificate, nowMs);
  }
}
