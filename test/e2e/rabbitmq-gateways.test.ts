import { type Channel, connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SmcConfig } from '../../src/config/feed-config.ts';
import { SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import type { FeedSink } from '../../src/feeds/contract/feed-sink.ts';
import { startSmcSink } from '../../src/feeds/smc/smc-sink.ts';
import { certificates } from '../_util/certificates.ts';
import { type FakeSmc, startFakeSmc } from '../_util/fake-smc.ts';
import { createFeedClock } from '../_util/feed-clock.ts';
import { type RabbitGateway, type RabbitGatewayOptions, startRabbitGateway } from '../_util/rabbit-gateway.ts';
import { hasRabbit, type RabbitServer, startRabbitServer } from '../_util/rabbitmq-server.ts';
import { addressesOf, LEAD_MS, offers, sighting } from '../feeds/queue.contract.ts';

const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2' }];
const WAIT = { timeout: 20_000, interval: 20 };

describe.runIf(hasRabbit)('gateways that share a RabbitMQ', () => {
  let server: RabbitServer;
  beforeAll(async () => {
    server = await startRabbitServer({ tls: certificates().server });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const start = (options: Partial<RabbitGatewayOptions> = {}): Promise<RabbitGateway> =>
    startRabbitGateway({ url: server.url, leadMs: LEAD_MS, ...options });

  test('all block what any of them received, and know what engines made of it', async () => {
    await using a = await start();
    await using b = await start({ name: a.name, isRelay: false });
    const until = Date.now() + 60_000;
    await a.queue.put([sighting('198.51.100.0', { untilMs: until, type: 'Recon' })]);
    await vi.waitFor(() => expect(b.queue.find('198.51.100.0')).toMatchObject({ untilMs: until, type: 'Recon' }), WAIT);
    expect(await b.queue.put([sighting('198.51.100.0', { untilMs: until + 5000 })])).toEqual({
      blocked: 0,
      extended: 1,
    });
    await vi.waitFor(
      () => expect(a.queue.find('198.51.100.0')).toMatchObject({ untilMs: until + 5000, findings: 2 }),
      WAIT,
    );
    await offers(a.queue, ['198.51.100.0']);
    const hold = { outcome: 'added', heldUntilMs: until + 5000 } as const;
    await a.queue.settle([{ address: '198.51.100.0', engine: 'NGFW 1', ...hold }]);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: undefined }]);
    await vi.waitFor(
      () =>
        expect(b.queue.find('198.51.100.0')).toMatchObject({ isPending: false, engines: new Map([['NGFW 1', hold]]) }),
      WAIT,
    );
    expect(b.queue.status().depth).toBe(0);
    await vi.waitFor(async () => expect(await unfinished(server, a.name)).toEqual([]), WAIT);
  });

  test('relay each finding once, whichever of them it reaches, and whichever of them relays', async () => {
    await using smc = await startFakeSmc({ engines: ENGINES });
    await using a = await start();
    await using b = await start({ name: a.name });
    await using _a = sinkOf(a, smc);
    await using _b = sinkOf(b, smc);
    const addresses = Array.from({ length: 40 }, (_, at) => `198.51.100.${at}`);
    for (const address of addresses) {
      await Promise.all([a.queue.put([sighting(address)]), b.queue.put([sighting(address)])]);
    }
    await vi.waitFor(() => expect(a.queue.status().depth + b.queue.status().depth).toBe(0), WAIT);
    for (const address of addresses) await b.queue.put([sighting(address)]);
    await vi.waitFor(async () => expect(await unfinished(server, a.name)).toEqual([]), WAIT);
    for (const { name } of ENGINES) expect(smc.addressesOf(name).toSorted()).toEqual(addresses.toSorted());
    for (const { queue } of [a, b]) {
      expect([...queue.entries()].map(({ engines }) => engines.size)).toEqual(addresses.map(() => 2));
    }
    expect(smc.sessionCount).toBe(0);
  });

  test('take over the work of one that ends', async () => {
    await using a = await start();
    await a.queue.put([sighting('198.51.100.0'), sighting('198.51.100.1')]);
    await offers(a.queue, ['198.51.100.0', '198.51.100.1']);
    await using b = await start({ name: a.name });
    await a.queue.settle([{ address: '198.51.100.0', engine: 'NGFW 1', outcome: 'added', heldUntilMs: 9e12 }]);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: undefined }]);
    expect(b.queue.due(Date.now(), LEAD_MS)).toEqual([]);
    await a.queue[Symbol.asyncDispose]();
    await offers(b.queue, ['198.51.100.1']);
  });

  test('give work that they get nowhere with to one that stands by', async () => {
    const clock = createFeedClock(Date.now());
    await using a = await start({ clock });
    await a.queue.put([sighting('198.51.100.0'), sighting('198.51.100.1')]);
    const isOffered = (): void => expect(a.queue.due(clock.nowMs(), LEAD_MS)).toHaveLength(2);
    await vi.waitFor(isOffered, WAIT);
    await using b = await start({ name: a.name });
    clock.advance(100_000);
    // Something is going on: nothing is taken from it.
    await a.queue.settle([{ address: '198.51.100.0', engine: 'NGFW 1', outcome: 'pending', heldUntilMs: 0 }]);
    clock.advance(100_000);
    isOffered();
    clock.advance(100_000);
    await offers(b.queue, ['198.51.100.0', '198.51.100.1']);
    expect(a.queue.due(clock.nowMs(), LEAD_MS)).toEqual([]);
    await b.queue[Symbol.asyncDispose]();
    await vi.waitFor(isOffered, WAIT);
  });

  test('let what is to be tried again wait at the broker, unheld', async () => {
    await using a = await start();
    await a.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: Date.now() + 60_000 }]);
    await vi.waitFor(
      async () =>
        expect(await unfinished(server, a.name)).toEqual([
          { name: `${a.name}.delay.16s`, ready: 1, unacknowledged: 0 },
        ]),
      WAIT,
    );
    // Another finding of it needs no attention of its own.
    await a.queue.put([sighting('198.51.100.0')]);
    await vi.waitFor(async () => {
      const states = await unfinished(server, a.name);
      expect(states.map(({ name, ready }) => [name, ready])).toEqual([[`${a.name}.delay.16s`, 1]]);
    }, WAIT);
    expect(a.queue.due(Date.now(), LEAD_MS)).toEqual([]);
  });

  test('look for what engines are to be told again by the configuration that holds now', async () => {
    let leadMs = 1000;
    await using a = await start({ leadMs: () => leadMs });
    await a.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    const hold = { outcome: 'added', heldUntilMs: Date.now() + LEAD_MS } as const;
    await a.queue.settle([{ address: '198.51.100.0', engine: 'NGFW 1', ...hold }]);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: undefined }]);
    await vi.waitFor(async () => {
      const states = await unfinished(server, a.name);
      expect(states.map(({ name, ready }) => [name, ready])).toEqual([[`${a.name}.delay.16s`, 1]]);
    }, WAIT);
    leadMs = LEAD_MS;
    await a.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    expect(Date.now()).toBeLessThan(hold.heldUntilMs - 1000);
  });

  test('withdraw a relay that one of them has ended, and relay a finding that comes after', async () => {
    await using a = await start();
    await using b = await start({ name: a.name, isRelay: false });
    await b.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    await b.queue.remove('198.51.100.0');
    await offers(a.queue, []);
    expect(a.queue.find('198.51.100.0')).toMatchObject({ isPending: false });
    expect(b.queue.find('198.51.100.0')).toBeUndefined();
    await b.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
  });

  test('are not brought back over a restart what was unblocked while its relay waited at the broker', async () => {
    await using a = await start();
    const untilMs = Date.now() + 60_000;
    await a.queue.put([sighting('198.51.100.0', { untilMs })]);
    await offers(a.queue, ['198.51.100.0']);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: Date.now() + 5000 }]);
    await a.queue.remove('198.51.100.0');
    // What has had its time is another's.
    await a.queue.put([sighting('198.51.100.1', { untilMs: Date.now() + 1 })]);
    await vi.waitFor(async () => {
      await a.queue.expire(Date.now());
      expect(a.queue.find('198.51.100.1')).toBeUndefined();
    }, WAIT);
    const again = await a.reopen();
    await vi.waitFor(async () => expect(await unfinished(server, a.name)).toEqual([]), WAIT);
    expect([...again.entries()]).toEqual([]);
    await again.put([sighting('198.51.100.0')]);
    await offers(again, ['198.51.100.0']);
  });

  test('block nothing of another that is not to be blocked here', async () => {
    await using a = await start({ isBlockable: (address) => address !== '198.51.100.7' });
    await using b = await start({ name: a.name, isRelay: false });
    await b.queue.put([sighting('198.51.100.7'), sighting('198.51.100.8')]);
    await offers(a.queue, ['198.51.100.8']);
    expect(a.queue.find('198.51.100.7')).toBeUndefined();
  });

  test('hear in the end what was said while they were away', async () => {
    await using a = await start({ isRelay: false });
    await using b = await start({ name: a.name });
    await a.queue[Symbol.asyncDispose]();
    await b.queue.put([sighting('198.51.100.0')]);
    const again = await a.reopen();
    await vi.waitFor(() => expect(again.find('198.51.100.0')).toBeDefined(), WAIT);
  });

  test('have what outlives the broker, and say of each finding for how long it is worth anything', async () => {
    await using a = await start();
    await using stranger = await connectTo(server.url);
    const { channel } = stranger;
    await channel.assertQueue(`${a.name}-seen`, { exclusive: true });
    await channel.bindQueue(`${a.name}-seen`, `${a.name}.addresses`, '');
    const beforeMs = Date.now();
    await a.queue.put([sighting('198.51.100.0', { untilMs: beforeMs + 60_000 })]);
    const seen = await channel.get(`${a.name}-seen`);
    if (seen === false) throw new Error('there is no message');
    expect(seen.properties).toMatchObject({ deliveryMode: 2, contentType: 'application/json' });
    expect(Number(seen.properties.expiration)).toBeGreaterThan(0);
    expect(Number(seen.properties.expiration)).toBeLessThanOrEqual(60_000);
    const lines = async (...what: readonly string[]): Promise<readonly string[]> =>
      (await server.control(...what, '--no-table-headers')).split('\n').filter((line) => line.startsWith(`${a.name}.`));
    expect(await lines('list_exchanges', 'name', 'type', 'durable')).toContain(`${a.name}.addresses\tfanout\ttrue`);
    const queues = await lines('list_queues', 'name', 'durable', 'type');
    expect(queues).toContain(`${a.name}.relay\ttrue\tquorum`);
    expect(queues.every((line) => line.endsWith('\ttrue\tquorum'))).toBe(true);
    expect(queues.filter((line) => line.startsWith(`${a.name}.gateway.`))).toHaveLength(1);
  });

  test('are not disturbed by what others write', async () => {
    await using a = await start();
    const stranger = await connect(server.url);
    const channel = await stranger.createConfirmChannel();
    for (const text of ['', 'x', '{}', '[]', 'null', '{"format":1,"kind":"sighting","from":"x","sentMs":1}']) {
      for (const suffix of ['addresses', 'outcomes']) channel.publish(`${a.name}.${suffix}`, '', Buffer.from(text));
    }
    await channel.waitForConfirms();
    await stranger.close();
    await a.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    expect(addressesOf(a.queue.entries())).toEqual(['198.51.100.0']);
    expect(a.troubles).toEqual([]);
  });

  test('come back when a connection is cut, with what was not done', async () => {
    await using a = await start();
    await a.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    await server.closeConnections();
    await vi.waitFor(() => expect(a.troubles).toHaveLength(1), WAIT);
    await vi.waitFor(() => expect(a.troubles).toEqual([expect.any(String), undefined]), WAIT);
    await offers(a.queue, ['198.51.100.0']);
    await a.queue.put([sighting('198.51.100.1')]);
    await offers(a.queue, ['198.51.100.0', '198.51.100.1']);
  });

  test('speak TLS with a broker that is who it must be, and with no other', async () => {
    const { ca, otherCa } = certificates();
    const url = server.secureUrl as string;
    await using a = await start({ url, ca: ca.cert });
    await a.queue.put([sighting('198.51.100.0')]);
    await using other = await startRabbitGateway({ url, leadMs: LEAD_MS, ca: otherCa.cert }, { waits: false });
    await vi.waitFor(() => expect(other.troubles).toEqual([expect.stringMatching(/certificate/)]), WAIT);
    await expect(other.queue.put([sighting('198.51.100.0')])).rejects.toMatchObject({
      code: 'ICAPGW_FEED_UNAVAILABLE',
    });
  });

  test('need no more rights than the documentation asks for', async () => {
    const name = 'limited';
    await server.control('add_user', 'feed', 'secret');
    await server.control(...['set_permissions', 'feed', `^${name}\\.`, `^(${name}\\.|amq\\.default$)`, `^${name}\\.`]);
    await using a = await start({ name, url: server.url.replace('guest:guest', 'feed:secret') });
    await a.queue.put([sighting('198.51.100.0')]);
    await offers(a.queue, ['198.51.100.0']);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: Date.now() + 1200 }]);
    await offers(a.queue, ['198.51.100.0']);
    await a.queue.conclude([{ address: '198.51.100.0', retryAtMs: undefined }]);
    expect(a.troubles).toEqual([]);
  });

  test('say that a password is wrong, and not which', async () => {
    const url = server.url.replace('guest:guest', 'guest:p%40ssw0rd-7731');
    await using a = await startRabbitGateway({ url, leadMs: LEAD_MS }, { waits: false });
    await vi.waitFor(() => expect(a.troubles).toEqual([expect.stringMatching(/ACCESS.REFUSED/)]), WAIT);
    const refusal = await a.queue.put([sighting('198.51.100.0')]).catch((error: unknown) => error);
    expect(String(refusal)).toMatch(/ACCESS.REFUSED/);
    expect(`${refusal} ${a.troubles} ${a.queue.status().trouble}`).not.toContain('7731');
  });

  test('say that the broker takes nothing for want of memory, and when it does again', {
    timeout: 120_000,
  }, async () => {
    await using a = await start();
    await server.control('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      await expect(a.queue.put([sighting('198.51.100.0')])).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE' });
      const trouble = 'it takes nothing at the moment: low on memory';
      await vi.waitFor(() => expect(a.troubles).toEqual([trouble]), WAIT);
      expect(a.queue.status().trouble).toBe(trouble);
      expect([...a.queue.entries()]).toEqual([]);
    } finally {
      await server.control('set_vm_memory_high_watermark', '0.4');
    }
    await vi.waitFor(() => expect(a.troubles.at(-1)).toBeUndefined(), WAIT);
    await a.queue.put([sighting('198.51.100.1')]);
    expect(a.troubles).toHaveLength(2);
  });

  test('answer in time when the broker does not, and block nothing for it', { timeout: 120_000 }, async () => {
    await using a = await start();
    await a.queue.put([sighting('198.51.100.0')]);
    server.pause();
    try {
      await expect(a.queue.put([sighting('198.51.100.0'), sighting('198.51.100.1')])).rejects.toMatchObject({
        code: 'ICAPGW_FEED_UNAVAILABLE',
        message: expect.stringContaining('did not confirm'),
      });
      expect(addressesOf(a.queue.entries())).toEqual(['198.51.100.0']);
    } finally {
      server.resume();
    }
    await a.connected();
    await vi.waitFor(() => a.queue.put([sighting('198.51.100.1')]), WAIT);
    await offers(a.queue, ['198.51.100.0', '198.51.100.1']);
  });

  test('go on where they were when the broker is started again', { timeout: 120_000 }, async () => {
    await using a = await start();
    await using b = await start({ name: a.name, isRelay: false });
    await a.queue.put([sighting('198.51.100.0')]);
    await vi.waitFor(() => expect(b.queue.find('198.51.100.0')).toBeDefined(), WAIT);
    await b.queue[Symbol.asyncDispose]();
    await a.queue.put([sighting('198.51.100.1')]);
    await server.stop();
    await vi.waitFor(() => expect(a.queue.status().trouble).toBeDefined(), WAIT);
    await expect(a.queue.put([sighting('198.51.100.2')])).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE' });
    expect(addressesOf(a.queue.entries())).toEqual(['198.51.100.0', '198.51.100.1']);
    await using away = await startRabbitGateway({ url: server.url, leadMs: LEAD_MS }, { waits: false });
    await vi.waitFor(() => expect(away.troubles).toHaveLength(1), WAIT);
    await server.start();
    await a.connected();
    await away.connected();
    await offers(a.queue, ['198.51.100.0', '198.51.100.1']);
    const again = await b.reopen();
    await vi.waitFor(() => expect(again.find('198.51.100.1')).toBeDefined(), WAIT);
    expect(a.troubles).toEqual([expect.any(String), undefined]);
  });
});

/** Queues of these gateways with something in them. */
async function unfinished(
  server: RabbitServer,
  name: string,
): Promise<readonly { readonly name: string; readonly ready: number; readonly unacknowledged: number }[]> {
  const states = await server.queues(name);
  return states.filter(({ ready, unacknowledged }) => ready + unacknowledged > 0);
}

interface Stranger extends AsyncDisposable {
  readonly channel: Channel;
}

/** Somebody else at the broker. */
async function connectTo(url: string): Promise<Stranger> {
  const model = await connect(url);
  return { channel: await model.createChannel(), [Symbol.asyncDispose]: () => model.close() };
}

function sinkOf({ queue }: RabbitGateway, smc: FakeSmc): FeedSink {
  const config: SmcConfig = {
    endpoint: smc.url,
    apiKey: { value: undefined, file: undefined },
    apiVersion: '6.7',
    domain: undefined,
    ca: undefined,
    excludeEngines: [],
    timeoutMs: 5000,
    lingerMs: 20,
    retry: { firstMs: 1000, mostMs: 60_000, authMs: 300_000 },
  };
  return startSmcSink({
    ...{ config, queue, clock: SYSTEM_CLOCK, random: Math.random },
    apiKey: () => smc.apiKey,
    leadMs: LEAD_MS,
    log: { log() {} },
    tally: { request() {}, addresses() {}, ignored() {}, smcUp() {}, smcRequest() {}, smcEntries() {} },
  });
}
