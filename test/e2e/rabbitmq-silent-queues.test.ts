import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type FeedClock, SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import { YOUNG_MS } from '../../src/feeds/rabbitmq/queue-maker.ts';
import { assertTopology, topologyOf } from '../../src/feeds/rabbitmq/topology.ts';
import { startAmqpLine } from '../_util/amqp-line.ts';
import { createFeedClock } from '../_util/feed-clock.ts';
import { type RabbitGateway, startRabbitGateway } from '../_util/rabbit-gateway.ts';
import { hasRabbit, type RabbitServer, startRabbitServer } from '../_util/rabbitmq-server.ts';
import { LEAD_MS, offers, sighting } from '../feeds/queue.contract.ts';

const WAIT = { timeout: 60_000, interval: 20 };
const TIMEOUT = { timeout: 120_000 };

/** Waits in real time, on a date that only a test moves. */
interface HeldDate extends FeedClock {
  pass(ms: number): void;
}

function holdDate(): HeldDate {
  let nowMs = Date.now();
  return {
    ...SYSTEM_CLOCK,
    nowMs: () => nowMs,
    pass(ms) {
      nowMs += ms;
    },
  };
}

describe.runIf(hasRabbit)('a queue at RabbitMQ that takes nothing', () => {
  let server: RabbitServer;
  beforeAll(async () => {
    server = await startRabbitServer();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const start = (clock: FeedClock): Promise<RabbitGateway> =>
    startRabbitGateway({ url: server.url, leadMs: LEAD_MS, clock });
  /** What a broker is like that was killed before it had written down which log is that of the queue, but for the log. */
  const silence = (queue: string): Promise<string> => ra(`stop_server(quorum_queues, {'%2F_${queue}', node()})`);
  const ra = (call: string): Promise<string> => server.control('eval', `ra:${call}.`);

  test('is made anew if it was new when the connection was lost, and is given what it had taken', TIMEOUT, async () => {
    const clock = holdDate();
    await using gateway = await start(clock);
    clock.pass(YOUNG_MS - 1);
    await gateway.queue.put([sighting('198.51.100.0')]);
    const [own = ''] = (await server.queues(`${gateway.name}.gateway.`)).map(({ name }) => name);
    const silent = [`${gateway.name}.relay`, own, `${gateway.name}.delay.16s`];
    for (const queue of silent) await silence(queue);
    await server.closeConnections();
    await vi.waitFor(() => expect(gateway.troubles).toEqual([expect.any(String), undefined]), WAIT);
    expect(new Set(gateway.remade)).toEqual(new Set(silent));
    await offers(gateway.queue, ['198.51.100.0']);
    await gateway.queue.put([sighting('198.51.100.1')]);
    await offers(gateway.queue, ['198.51.100.0', '198.51.100.1']);
  });

  test('is named if it was not new, and is left as it is: what is in it may come back', TIMEOUT, async () => {
    const clock = holdDate();
    await using gateway = await start(clock);
    await gateway.queue.put([sighting('198.51.100.0')]);
    clock.pass(YOUNG_MS);
    const relay = `${gateway.name}.relay`;
    await silence(relay);
    await server.closeConnections();
    await vi.waitFor(
      () => expect(gateway.queue.status().trouble).toContain(`queue ${relay} takes nothing: has it a leader?`),
      WAIT,
    );
    await ra(`restart_server(quorum_queues, {'%2F_${relay}', node()})`);
    await vi.waitFor(() => expect(gateway.troubles.at(-1)).toBeUndefined(), WAIT);
    await offers(gateway.queue, ['198.51.100.0']);
    expect(gateway.remade).toEqual([]);
  });

  test('is made anew when an operator deletes it, and work that was in it is done all the same', TIMEOUT, async () => {
    const clock = holdDate();
    await using gateway = await start(clock);
    await gateway.queue.put([sighting('198.51.100.0'), sighting('198.51.100.1')]);
    await offers(gateway.queue, ['198.51.100.0', '198.51.100.1']);
    await gateway.queue.conclude([{ address: '198.51.100.1', retryAtMs: undefined }]);
    clock.pass(YOUNG_MS);
    const relay = `${gateway.name}.relay`;
    await silence(relay);
    await server.closeConnections();
    await vi.waitFor(() => expect(gateway.queue.status().trouble).toContain('takes nothing'), WAIT);
    await server.control('delete_queue', relay);
    await vi.waitFor(() => expect(gateway.troubles.at(-1)).toBeUndefined(), WAIT);
    await offers(gateway.queue, ['198.51.100.0']);
    expect(gateway.remade).toEqual([]);
  });

  test('is given what it had taken a moment before when another has made it anew', TIMEOUT, async () => {
    const clock = holdDate();
    await using gateway = await start(clock);
    await gateway.queue.put([sighting('198.51.100.0')]);
    clock.pass(YOUNG_MS);
    await gateway.queue.put([sighting('198.51.100.1')]);
    const relay = `${gateway.name}.relay`;
    const [own] = await server.queues(`${gateway.name}.gateway.`);
    await silence(relay);
    await server.closeConnections();
    await vi.waitFor(() => expect(gateway.queue.status().trouble).toContain('takes nothing'), WAIT);
    const other = await connect(server.url);
    const channel = await other.createChannel();
    await channel.deleteQueue(relay);
    await assertTopology(channel, topologyOf(gateway.name, String(own?.name.split('.').at(-1))));
    await other.close();
    await vi.waitFor(() => expect(gateway.troubles.at(-1)).toBeUndefined(), WAIT);
    await offers(gateway.queue, ['198.51.100.1']);
  });

  test('is made anew if the connection was lost before all of them were made', TIMEOUT, async () => {
    const clock = createFeedClock(Date.now());
    await using line = await startAmqpLine(server.port);
    const name = 'cut-off';
    // What the queue of work is made with stands in one request, and in no other.
    line.holdRequestsAfter('x-single-active-consumer');
    await using gateway = await startRabbitGateway({ url: line.url, name, leadMs: LEAD_MS, clock }, { waits: false });
    const relay = `${name}.relay`;
    await vi.waitFor(async () => expect(await server.queues(relay)).toHaveLength(1), WAIT);
    await silence(relay);
    await server.closeConnections();
    await vi.waitFor(() => expect(gateway.troubles).toHaveLength(1), WAIT);
    line.holdNothing();
    clock.advance(2000);
    await gateway.connected();
    expect(gateway.remade).toEqual([relay]);
  });

  test('is made anew when it is one that work waits in, and the work is done all the same', TIMEOUT, async () => {
    const clock = holdDate();
    await using gateway = await start(clock);
    const delay = `${gateway.name}.delay.16s`;
    const [soon, later] = ['198.51.100.0', '198.51.100.1'];
    await gateway.queue.put([sighting(soon), sighting(later)]);
    await offers(gateway.queue, [soon, later]);
    const heldUntilMs = clock.nowMs() + LEAD_MS + 60_000;
    await gateway.queue.settle([{ address: later, engine: 'NGFW 1', outcome: 'added', heldUntilMs }]);
    await gateway.queue.conclude([
      { address: soon, retryAtMs: clock.nowMs() + 60_000 },
      { address: later, retryAtMs: undefined },
    ]);
    await vi.waitFor(async () => expect(await server.queues(delay)).toMatchObject([{ ready: 2 }]), WAIT);
    clock.pass(YOUNG_MS);
    await server.control('delete_queue', delay);
    await server.closeConnections();
    await vi.waitFor(() => expect(gateway.troubles).toEqual([expect.any(String), undefined]), WAIT);
    await offers(gateway.queue, [soon]);
    await vi.waitFor(async () => expect(await server.queues(delay)).toMatchObject([{ ready: 1 }]), WAIT);
  });

  test('loses nothing that was to wait in it when it is not there any more', TIMEOUT, async () => {
    await using gateway = await start(SYSTEM_CLOCK);
    const delay = `${gateway.name}.delay.16s`;
    await gateway.queue.put([sighting('198.51.100.0')]);
    await offers(gateway.queue, ['198.51.100.0']);
    await server.control('delete_queue', delay);
    await gateway.queue.conclude([{ address: '198.51.100.0', retryAtMs: Date.now() + 60_000 }]);
    await vi.waitFor(() => expect(gateway.troubles).toEqual([expect.stringContaining(delay), undefined]), WAIT);
    await offers(gateway.queue, ['198.51.100.0']);
    await gateway.queue.conclude([{ address: '198.51.100.0', retryAtMs: Date.now() + 60_000 }]);
    await vi.waitFor(async () => expect(await server.queues(delay)).toMatchObject([{ ready: 1 }]), WAIT);
  });

  test('does not keep a gateway waiting for longer than it takes to try again', async () => {
    const clock = createFeedClock(Date.now());
    await using line = await startAmqpLine(server.port);
    const name = 'held-up';
    // The exchange is made, and then nothing is heard of the broker but that it lives.
    line.holdRequestsAfter(`${name}.outcomes`);
    await using gateway = await startRabbitGateway({ url: line.url, name, leadMs: LEAD_MS, clock }, { waits: false });
    await vi.waitFor(() => expect(line.hasHeld(`${name}.relay`)).toBe(true), WAIT);
    clock.advance(120_000);
    expect(gateway.troubles).toEqual(['its queues were not ready within 120 s']);
    line.holdNothing();
    clock.advance(30_000);
    await gateway.connected();
  });
});
