import type { FeedsConfig } from '../config/feed-config.ts';
import type { Logger } from '../observe/logger.ts';
import type { FeedClock } from './contract/feed-clock.ts';
import type { FeedQueue } from './contract/feed-queue.ts';
import { EmbeddedQueue } from './queue/embedded-queue.ts';
import { startFeedDisk } from './queue/feed-disk.ts';
import { loadBroker } from './rabbitmq/broker.ts';
import { loadGatewayId } from './rabbitmq/gateway-id.ts';
import { RabbitQueue } from './rabbitmq/rabbit-queue.ts';
import { Withdrawals } from './rabbitmq/withdrawals.ts';

export interface OpenQueueOptions {
  readonly feeds: FeedsConfig;
  /** Where the state is kept. */
  readonly folder: string;
  readonly clock: FeedClock;
  /** As Math.random. */
  readonly random: () => number;
  readonly log: Pick<Logger, 'log'>;
}

/** What a queue asks for each time, because another configuration may say otherwise. */
export interface QueueRules {
  readonly maxEntries: () => number;
  /** How long before an engine lets go of an address it is to get it again, as the sink has it. */
  readonly leadMs: () => number;
  /** Whether an address that another gateway received may be blocked from here. */
  readonly isBlockable: (address: string) => boolean;
}

/**
 * Opens what the queue of a configuration is kept in. What is returned makes the queue, once, which owns it then. Throws
 * `ICAPGW_FEED_STATE`, and for a broker what `loadBroker` throws.
 */
export async function openQueue(options: OpenQueueOptions): Promise<(rules: QueueRules) => FeedQueue> {
  const { feeds, folder, clock, random, log } = options;
  const { type, name, relay } = feeds.queue;
  const broker = type === 'rabbitmq' ? loadBroker(feeds.queue) : undefined;
  const disk = await startFeedDisk({ folder, nowMs: clock.nowMs() });
  const { damaged } = disk;
  if (damaged !== undefined) log.log('feed-state-damaged', { file: damaged.movedTo, detail: damaged.detail });
  const onTrouble = (detail: string | undefined): void => {
    if (detail === undefined) log.log('feed-queue-recovered', {});
    else log.log('feed-queue-failed', { detail });
  };
  const embedded = ({ maxEntries }: QueueRules): FeedQueue => new EmbeddedQueue({ disk, clock, maxEntries, onTrouble });
  if (broker === undefined) return embedded;
  try {
    const id = loadGatewayId(folder);
    const withdrawals = Withdrawals.open(folder, clock.nowMs());
    return (rules) =>
      new RabbitQueue({
        ...{ local: embedded(rules), withdrawals, ...broker, name, id, clock, random },
        isRelay: relay && feeds.smc !== undefined,
        leadMs: rules.leadMs,
        isBlockable: rules.isBlockable,
        onTrouble: (detail) => onTrouble(detail && `the broker at ${broker.address.text}: ${detail}`),
        onRemade: (queue) => log.log('feed-queue-remade', { queue }),
      });
  } catch (error) {
    await disk[Symbol.asyncDispose]();
    throw error;
  }
}
