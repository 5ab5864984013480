import { expect, vi } from 'vitest';
import { GUIDE_ADDRESS } from './e2e-feed.ts';
import type { SpawnedGateway } from './e2e-gateway.ts';
import { roundTrips, TOLD_ENGINES, WAIT } from './killed-gateway.ts';
import type { RabbitGateway } from './rabbit-gateway.ts';
import type { RabbitQueueState, RabbitServer } from './rabbitmq-server.ts';

/** What gateways of one name have at a broker. */
export interface BrokerWork {
  /** `feeds` of a gateway that comes to the broker by a way. */
  feedsBy(url: string): object;
  /** Resolves when a gateway takes findings, and is the one that relays them. */
  joined(gateway: SpawnedGateway): Promise<void>;
  /** The work that waits, and what of it a relay has been given. */
  state(): Promise<RabbitQueueState>;
  /** Resolves when a relay has been given the one piece of work, and has not acknowledged it. */
  held(): Promise<void>;
  /** Resolves when nothing waits any more, but for what engines are told later, and the other gateway knows what they were told. */
  finished(other: RabbitGateway, waits: 'nothing' | 'later'): Promise<void>;
}

export function createBrokerWork(broker: RabbitServer, name: string): BrokerWork {
  const state = async (): Promise<RabbitQueueState> => (await broker.queues(`${name}.relay`))[0] as RabbitQueueState;
  return {
    state,
    feedsBy: (url) => ({ queue: { type: 'rabbitmq', url, name } }),
    async joined(gateway) {
      await vi.waitFor(async () => expect(await broker.control('list_consumers')).toContain(`${name}.relay\t`), WAIT);
      await roundTrips(gateway);
    },
    async held() {
      await vi.waitFor(async () => expect(await state()).toMatchObject({ ready: 0, unacknowledged: 1 }), WAIT);
    },
    async finished({ queue }, waits) {
      await vi.waitFor(() => {
        const entry = queue.find(GUIDE_ADDRESS);
        expect([entry?.isPending, ...(entry?.engines.keys() ?? [])]).toEqual([false, ...TOLD_ENGINES]);
      }, WAIT);
      await vi.waitFor(async () => {
        const states = await broker.queues(name);
        const unfinished = states.filter(({ ready, unacknowledged }) => ready + unacknowledged > 0);
        expect(unfinished.filter((each) => waits === 'nothing' || !each.name.includes('.delay.'))).toEqual([]);
      }, WAIT);
    },
  };
}
