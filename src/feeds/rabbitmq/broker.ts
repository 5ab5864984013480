import type { FeedQueueConfig } from '../../config/feed-config.ts';
import { RuntimeError } from '../../errors.ts';
import { loadPeerTrust, type PeerTrust } from '../peer-trust.ts';
import { readSecret } from '../secret.ts';
import { type BrokerAddress, parseBrokerUrl } from './broker-url.ts';

/** A broker, as the configuration and the files it names have it. */
export interface Broker {
  readonly address: BrokerAddress;
  readonly trust: PeerTrust;
}

/** Throws ConfigError, TlsMaterialError or `ICAPGW_FEED_BROKER`, none of which quotes a password. */
export function loadBroker({ url, ca }: Pick<FeedQueueConfig, 'url' | 'ca'>): Broker {
  const text = readSecret(url, 'feeds.queue.url-file');
  if (text === undefined) throw new RuntimeError('ICAPGW_FEED_BROKER', { detail: 'feeds.queue.url is missing' });
  return { address: parseBrokerUrl(text), trust: loadPeerTrust(ca) };
}
