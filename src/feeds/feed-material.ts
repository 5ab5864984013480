import type { FeedsConfig } from '../config/feed-config.ts';
import { GatewayError, messageOf, RuntimeError } from '../errors.ts';
import { type KeyPair, loadKeyPair } from '../tls/material.ts';
import { readSecret } from './secret.ts';

/** What a feed needs from the disk before it can listen. */
export interface FeedMaterial {
  readonly token: string | undefined;
  readonly hmacKey: string | undefined;
  readonly keyPair: KeyPair | undefined;
}

/** Reads it. Throws ConfigError or TlsMaterialError, naming the file. */
export function loadFeedMaterial({ guardDuty }: Pick<FeedsConfig, 'guardDuty'>): FeedMaterial {
  const tls = guardDuty?.tls;
  return {
    token: guardDuty && readSecret(guardDuty.token, 'feeds.guardduty.token-file'),
    hmacKey: guardDuty && readSecret(guardDuty.hmacKey, 'feeds.guardduty.hmac-key-file'),
    keyPair:
      tls &&
      loadKeyPair({
        certFile: tls.cert,
        keyFile: tls.key,
        passphraseFile: tls.keyPassphraseFile,
        securityLevel: undefined,
      }),
  };
}

/** The same for a feed that runs. Who asks for that has looked at these files a moment ago: throws `ICAPGW_FEED_STATE`. */
export function reloadFeedMaterial(feeds: Pick<FeedsConfig, 'guardDuty'>): FeedMaterial {
  try {
    return loadFeedMaterial(feeds);
  } catch (cause) {
    if (!(cause instanceof GatewayError)) throw cause;
    throw new RuntimeError('ICAPGW_FEED_STATE', { detail: messageOf(cause), cause });
  }
}
