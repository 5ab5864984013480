import type { Config } from '../config/config.ts';
import { SYSTEM_CLOCK } from '../feeds/contract/feed-clock.ts';
import { Feed } from '../feeds/feed.ts';
import { feedFolder } from '../feeds/feed-folder.ts';
import { loadFeedMaterial } from '../feeds/feed-material.ts';
import { GATEWAY_ID_FILE } from '../feeds/rabbitmq/gateway-id.ts';
import { WITHDRAWALS_FILE } from '../feeds/rabbitmq/withdrawals.ts';
import { FeedCounts } from '../observe/feed-counts.ts';
import type { Logger } from '../observe/logger.ts';
import { giveFiles } from './privileges.ts';

/**
 * Opens the feed of a configuration, with all that must be read while the process is still who it was started as.
 * `backends` is asked from the start of the feed on. Throws `ICAPGW_FEED_STATE`.
 */
export async function openFeed(config: Config, log: Logger, backends: () => readonly string[]): Promise<Feed> {
  const { feeds } = config;
  if (feeds === undefined) throw new RangeError('the configuration has no feeds');
  const folder = feedFolder(config, process.env);
  const material = loadFeedMaterial(feeds);
  const feed = await Feed.open({
    ...{ config, folder, material, log, backends },
    clock: SYSTEM_CLOCK,
    random: Math.random,
    counts: new FeedCounts(feeds.guardDuty === undefined ? [] : ['guardduty']),
  });
  await giveFiles(config, folder, ['feeds.db', 'feeds.db-wal', 'feeds.db-shm', GATEWAY_ID_FILE, WITHDRAWALS_FILE]);
  return feed;
}
