import type { CertificateSummary } from './certificate.ts';
import type { CrlSummary } from './crl.ts';

export type ExpiryKind = 'server' | 'client-ca' | 'crl';

/** One thing of a service that stops working at a known moment. */
export interface Expiry {
  readonly kind: ExpiryKind;
  readonly subject: string;
  readonly notAfterMs: number;
  /** Whole days left, negative once it is over. */
  readonly days: number;
  /** Whether an operator should be told. */
  readonly isDue: boolean;
}

/** What one service uses. */
export interface ExpiringMaterial {
  /** The served certificate and its chain. */
  readonly server: readonly CertificateSummary[];
  /** Trust anchors and pinned certificates of clients. */
  readonly clientCa: readonly CertificateSummary[];
  readonly crl: readonly CrlSummary[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
const NOTICE_MS = 30 * DAY_MS;

/** Everything that expires, soonest first: the first of a kind is what a metric with one value per kind shows. */
export function listExpiries(material: ExpiringMaterial, nowMs: number): Expiry[] {
  const expiries = [
    ...material.server.map((summary) => certificateExpiry('server', summary, nowMs)),
    ...material.clientCa.map((summary) => certificateExpiry('client-ca', summary, nowMs)),
    ...material.crl.flatMap((summary) => crlExpiry(summary, nowMs)),
  ];
  return expiries.sort((a, b) => a.notAfterMs - b.notAfterMs);
}

function certificateExpiry(kind: ExpiryKind, { subject, notAfterMs }: CertificateSummary, nowMs: number): Expiry {
  return { kind, subject, notAfterMs, days: daysLeft(notAfterMs, nowMs), isDue: notAfterMs - nowMs < NOTICE_MS };
}

function crlExpiry({ issuer, thisUpdateMs, nextUpdateMs }: CrlSummary, nowMs: number): Expiry[] {
  if (nextUpdateMs === undefined) return [];
  // Most lists live for a week or less: thirty days before the end would be always.
  const noticeMs = Math.min(NOTICE_MS, (nextUpdateMs - thisUpdateMs) / 10);
  const isDue = nextUpdateMs - nowMs < noticeMs;
  return [{ kind: 'crl', subject: issuer, notAfterMs: nextUpdateMs, days: daysLeft(nextUpdateMs, nowMs), isDue }];
}

function daysLeft(notAfterMs: number, nowMs: number): number {
  return Math.floor((notAfterMs - nowMs) / DAY_MS);
}
