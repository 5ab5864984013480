import { isDeepStrictEqual } from 'node:util';
import type { FeedTlsConfig } from '../config/feed-config.ts';
import { TlsMaterialError } from '../errors.ts';
import { feedExpiries } from '../feeds/feed-expiry.ts';
import type { Logger } from '../observe/logger.ts';
import { type KeyPair, loadKeyPair } from '../tls/material.ts';
import { fingerprint } from './file-watch.ts';

/** What a feed shows to those who send it findings. */
export interface TlsFeed {
  /** As configured now; undefined: it speaks in clear, or does not listen. */
  readonly tls: FeedTlsConfig | undefined;
  readonly keyPair: KeyPair | undefined;
  useKeyPair(keyPair: KeyPair): void;
}

/** As services are called in the log and in metrics. */
const OWNER = { service: 'feeds.guardduty' } as const;
/** A swapped certificate is served within a second. */
const FILE_CHECK_MS = 500;
const EXPIRY_CHECK_MS = 60 * 60 * 1000;

/** Follows certificate and key of a feed on the disk, and warns before the certificate expires, until it is disposed. */
export function followFeedFiles(feed: TlsFeed, log: Pick<Logger, 'log'>): Disposable {
  let taken = '';
  let failure: string | undefined;
  const failed = (detail: string): false => {
    // It is tried again and again; the same trouble is told once.
    if (failure !== detail) log.log('certificates-failed', { ...OWNER, detail });
    failure = detail;
    return false;
  };
  const take = (tls: FeedTlsConfig): boolean => {
    try {
      const { cert: certFile, key: keyFile, keyPassphraseFile: passphraseFile } = tls;
      const keyPair = loadKeyPair({ certFile, keyFile, passphraseFile, securityLevel: undefined });
      failure = undefined;
      if (isDeepStrictEqual(keyPair, feed.keyPair)) return true;
      feed.useKeyPair(keyPair);
      log.log('certificates-read', OWNER);
      tellExpiries(feed, log);
      return true;
    } catch (error) {
      if (!(error instanceof TlsMaterialError)) throw error;
      return failed(error.message);
    }
  };
  const look = (): void => {
    const { tls } = feed;
    if (tls === undefined) return;
    const current = fingerprint([tls.cert, tls.key, tls.keyPassphraseFile].filter((file) => file !== undefined));
    if (current !== taken && take(tls)) taken = current;
  };
  tellExpiries(feed, log);
  const timers = [setInterval(look, FILE_CHECK_MS), setInterval(() => tellExpiries(feed, log), EXPIRY_CHECK_MS)];
  for (const timer of timers) timer.unref();
  return {
    [Symbol.dispose]() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

function tellExpiries({ keyPair }: TlsFeed, log: Pick<Logger, 'log'>): void {
  for (const { kind, subject, days, isDue } of feedExpiries(keyPair, Date.now())) {
    if (!isDue) continue;
    if (days < 0) log.log('certificate-expired', { ...OWNER, kind, subject, days: -days });
    else log.log('certificate-expiring', { ...OWNER, kind, subject, days });
  }
}
