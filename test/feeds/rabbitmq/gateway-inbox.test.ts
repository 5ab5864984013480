import type { ConsumeMessage } from 'amqplib';
import { expect, test, vi } from 'vitest';
import type { FeedQueue, PutResult, Sighting } from '../../../src/feeds/contract/feed-queue.ts';
import { FeedUnavailableError } from '../../../src/feeds/contract/feed-unavailable.ts';
import type { BrokerConnection } from '../../../src/feeds/rabbitmq/broker-connection.ts';
import { encodeEnvelope } from '../../../src/feeds/rabbitmq/broker-message.ts';
import { GatewayInbox } from '../../../src/feeds/rabbitmq/gateway-inbox.ts';
import { createFeedClock } from '../../_util/feed-clock.ts';

/** A queue with so much room. */
function queueWith(room: { free: number }, held: Set<string>): FeedQueue {
  const queue: Partial<FeedQueue> = {
    async put(sightings: readonly Sighting[]): Promise<PutResult> {
      const added = sightings.filter(({ address }) => !held.has(address));
      if (added.length > room.free) throw new FeedUnavailableError({ detail: 'full', retryAfterSeconds: 1 });
      room.free -= added.length;
      for (const { address } of added) held.add(address);
      return { blocked: added.length, extended: sightings.length - added.length };
    },
    find: () => undefined,
  };
  return queue as FeedQueue;
}

test('where there is room for some of what other gateways have found, these are taken, and the rest when there is more', async () => {
  const clock = createFeedClock();
  const [room, held] = [{ free: 3 }, new Set<string>()];
  const acked: unknown[] = [];
  const inbox = new GatewayInbox({
    ...{ id: 'here', local: queueWith(room, held), clock, isBlockable: () => true },
    ...{ onNews() {}, onWithdrawn() {} },
  });
  const connection: BrokerConnection = {
    ...{ channel: {} as never, isOver: false, hasQueue: async () => true, confirms: async () => true },
    ack: (delivery) => void acked.push(delivery),
  };
  for (let index = 1; index <= 8; index += 1) {
    const sighting = { address: `198.51.100.${index}`, source: 'guardduty', type: 'T', findings: 1 };
    const content = encodeEnvelope({
      message: {
        kind: 'sighting',
        sighting: { ...sighting, untilMs: clock.nowMs() + 60_000 },
        notBeforeMs: undefined,
      },
      ...{ from: 'there', sentMs: clock.nowMs() },
    });
    inbox.take({ content, properties: { messageId: String(index) } } as unknown as ConsumeMessage, connection);
  }
  await vi.waitFor(() => expect([...held]).toEqual(['198.51.100.1', '198.51.100.2', '198.51.100.3']));
  room.free = 5;
  await vi.waitFor(() => {
    clock.advance(5000);
    expect(acked).toHaveLength(8);
  });
});
