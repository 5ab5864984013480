import type { CertificateSummary } from './certificate.ts';
import type { CrlSummary } from './crl.ts';

export type ExpiryKind = 'server' | 'client-ca' | 'backend-client' | 'backend-ca' | 'crl';

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
  /** What is shown to backends, with its chain. */
  readonly backendClient: readonly CertificateSummary[];
  /** Trust anchors and pinned certificates of backends. */
  readonly backendCa: readonly CertificateSummary[];
  readonly crl: readonly CrlSummary[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
const NOTICE_MS = 30 * DAY_MS;

/** Everything that expires, soonest first: the first of a kind is what a metric with one value per kind shows. */
export function listExpiries(material: ExpiringMaterial, nowMs: number): Expiry[] {
  const expiries = [
    ...material.server.map((summary) => certificateExpiry('server', summary, nowMs)),
    ...material.clientCa.map((summary) => certificateExpiry('client-ca', summary, nowMs)),
    ...unique(material.backendClient).map((summary) => certificateExpiry('backend-client', summary, nowMs)),
    ...unique(material.backendCa).map((summary) => certificateExpiry('backend-ca', summary, nowMs)),
    ...unique(material.crl).flatMap((summary) => crlExpiry(summary, nowMs)),
  ];
  return expiries.sort((a, b) => a.notAfterMs - b.notAfterMs);
}

/** Backends, and clients and backends, often have the same files. */
function unique<T extends { readonly fingerprint256: string }>(summaries: readonly T[]): readonly T[] {
  return [...new Map(summaries.map((summary) => [summary.fingerprint256, summary])).values()];
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
