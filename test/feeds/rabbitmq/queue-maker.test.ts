import { expect, test } from 'vitest';
import type { BrokerConnection } from '../../../src/feeds/rabbitmq/broker-connection.ts';
import { QueueMaker, YOUNG_MS } from '../../../src/feeds/rabbitmq/queue-maker.ts';
import { topologyOf } from '../../../src/feeds/rabbitmq/topology.ts';

const TOPOLOGY = topologyOf('icapgw', '0123456789abcdef');
const { relay } = TOPOLOGY;

interface Rig {
  readonly maker: QueueMaker;
  readonly connection: BrokerConnection;
  readonly deleted: readonly string[];
  readonly remade: readonly string[];
  nowMs: number;
}

/** A maker and a broker that has all queues or none; `confirms` is asked for each look at the queue of work. */
function createRig({ hasAll = false, confirms }: { hasAll?: boolean; confirms: () => boolean }): Rig {
  const [deleted, remade]: string[][] = [[], []];
  const channel = {
    assertExchange: async () => {},
    assertQueue: async () => {},
    bindQueue: async () => {},
    deleteQueue: async (queue: string) => void deleted?.push(queue),
  };
  const rig = {
    ...{ deleted: deleted ?? [], remade: remade ?? [], nowMs: Date.UTC(2026, 10, 22) },
    connection: {
      ...{ channel: channel as never, isOver: false, ack() {} },
      hasQueue: async () => hasAll,
      confirms: async (queue: string) => queue !== relay || confirms(),
    },
  };
  const clock = { nowMs: () => rig.nowMs, after: () => ({ [Symbol.dispose]() {} }) };
  return Object.assign(rig, {
    maker: new QueueMaker({ topology: TOPOLOGY, clock, onRemade: (queue) => void rig.remade.push(queue) }),
  });
}

/** Makes the queues, and loses the connection after a while. */
async function makeAndLose(rig: Rig, afterMs: number): Promise<void> {
  await rig.maker.make(rig.connection);
  rig.maker.proven();
  rig.nowMs += afterMs;
  rig.maker.lost();
}

test('a queue that was made a moment before the connection was lost, and takes nothing, is made anew', async () => {
  const rig = createRig({ confirms: () => false });
  await makeAndLose(rig, YOUNG_MS - 1);
  expect(await rig.maker.make(rig.connection)).toContain(relay);
  expect([rig.deleted, rig.remade]).toEqual([[relay], [relay]]);
});

test.each([YOUNG_MS, -YOUNG_MS, -3_600_000])('one is left as it is when the clock says %i ms later', async (ms) => {
  const rig = createRig({ confirms: () => false });
  await makeAndLose(rig, ms);
  const again = createRig({ hasAll: true, confirms: () => false });
  // It is looked at when the first connection after that came to nothing.
  await rig.maker.make(again.connection);
  await expect(rig.maker.make(again.connection)).rejects.toThrow(`queue ${relay} takes nothing`);
  expect([again.deleted, rig.remade]).toEqual([[], []]);
});

test('one that another gateway has made anew meanwhile is left to it', async () => {
  let lookCount = 0;
  const rig = createRig({ confirms: () => ++lookCount > 1 });
  await makeAndLose(rig, 0);
  await rig.maker.make(rig.connection);
  expect([lookCount, rig.deleted, rig.remade]).toEqual([2, [], []]);
});
