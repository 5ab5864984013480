import { randomUUID } from 'node:crypto';
import { vi } from 'vitest';
import { type FeedClock, SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import { loadPeerTrust } from '../../src/feeds/peer-trust.ts';
import { EmbeddedQueue } from '../../src/feeds/queue/embedded-queue.ts';
import { startFeedDisk } from '../../src/feeds/queue/feed-disk.ts';
import { parseBrokerUrl } from '../../src/feeds/rabbitmq/broker-url.ts';
import { RabbitQueue } from '../../src/feeds/rabbitmq/rabbit-queue.ts';
import { Withdrawals } from '../../src/feeds/rabbitmq/withdrawals.ts';
import { createConfigFolder } from './config-folder.ts';

export interface RabbitGatewayOptions {
  readonly url: string;
  /** Prefix of exchanges and queues: gateways with the same one belong together. */
  readonly name?: string;
  readonly leadMs: number | (() => number);
  readonly maxEntries?: number;
  readonly isRelay?: boolean;
  readonly ca?: string;
  readonly isBlockable?: (address: string) => boolean;
  readonly clock?: FeedClock;
}

/** One gateway's queue at a broker. Disposing ends it and removes what it kept on the disk. */
export interface RabbitGateway extends AsyncDisposable {
  readonly queue: RabbitQueue;
  readonly name: string;
  readonly troubles: readonly (string | undefined)[];
  /** Queues at the broker that were made anew. */
  readonly remade: readonly string[];
  /** Ends the queue, and opens it again as the same gateway. */
  reopen(): Promise<RabbitQueue>;
  connected(): Promise<void>;
}

/** Starts one and waits until it is connected, unless nobody is there. */
export async function startRabbitGateway(
  options: RabbitGatewayOptions,
  { waits = true }: { readonly waits?: boolean } = {},
): Promise<RabbitGateway> {
  const { clock = SYSTEM_CLOCK, leadMs, name = `test-${randomUUID().slice(0, 8)}` } = options;
  const folder = createConfigFolder({});
  const id = randomUUID().slice(0, 8);
  const troubles: (string | undefined)[] = [];
  const remade: string[] = [];
  const open = async (): Promise<RabbitQueue> =>
    new RabbitQueue({
      local: new EmbeddedQueue({
        disk: await startFeedDisk({ folder: folder.path, nowMs: clock.nowMs() }),
        clock,
        maxEntries: () => options.maxEntries ?? 100_000,
        onTrouble: () => {},
      }),
      withdrawals: Withdrawals.open(folder.path, clock.nowMs()),
      address: parseBrokerUrl(options.url),
      trust: loadPeerTrust(options.ca),
      name,
      id,
      isRelay: options.isRelay ?? true,
      leadMs: () => (typeof leadMs === 'function' ? leadMs() : leadMs),
      clock,
      random: Math.random,
      isBlockable: options.isBlockable ?? (() => true),
      onTrouble: (trouble) => troubles.push(trouble),
      onRemade: (queue) => remade.push(queue),
    });
  let queue = await open();
  const connected = (): Promise<void> =>
    vi.waitFor(
      () => {
        const { trouble } = queue.status();
        if (trouble !== undefined) throw new Error(trouble);
      },
      { timeout: 40_000, interval: 20 },
    );
  const gateway: RabbitGateway = {
    get queue() {
      return queue;
    },
    name,
    troubles,
    remade,
    connected,
    async reopen() {
      await queue[Symbol.asyncDispose]();
      queue = await open();
      await connected();
      return queue;
    },
    async [Symbol.asyncDispose]() {
      await queue[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
  if (waits) await connected();
  return gateway;
}
