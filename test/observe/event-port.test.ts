import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { describe, expect, test, vi } from 'vitest';
import { openAccessLog } from '../../src/observe/access-log.ts';
import type { TunnelAccess } from '../../src/observe/access-record.ts';
import { type EventBatch, EventPort, type EventPortOptions, receiveEvents } from '../../src/observe/event-port.ts';
import { enabledEvents } from '../../src/observe/log-format.ts';
import { createFolder, createLog } from '../_util/observe-log.ts';
import { SAMPLE_SPAN } from '../_util/observe-span.ts';

const ACCESS: TunnelAccess = {
  kind: 'tunnel',
  timeMs: 0,
  service: 'mcas',
  connection: 7,
  client: '192.0.2.1:40820',
  tls: 'TLSv1.3',
  subject: undefined,
  backend: undefined,
  bytesIn: 0,
  bytesOut: 0,
  ms: 0,
  reason: 'denied',
};

interface Channel extends Disposable {
  readonly port: EventPort;
  readonly main: MessagePort;
  next(): Promise<EventBatch>;
}

function createChannel({ access = true, squid = false, traceSample }: Partial<EventPortOptions> = {}): Channel {
  const { port1, port2 } = new MessageChannel();
  return {
    port: new EventPort({ port: port1, enabled: enabledEvents('notice', 'json'), access, squid, traceSample }),
    main: port2,
    async next() {
      const [batch] = await once(port2, 'message');
      return batch as EventBatch;
    },
    [Symbol.dispose]() {
      port1.close();
    },
  };
}

describe("a worker's way to the logs", () => {
  test('takes what happened in one turn in one message', async () => {
    using channel = createChannel();
    channel.port.log('drained', { cut: 1 });
    channel.port.log('drained', { cut: 2 });
    channel.port.access(ACCESS);
    expect(await channel.next()).toMatchObject({
      log: [
        { event: 'drained', fields: { cut: 1 } },
        { event: 'drained', fields: { cut: 2 } },
      ],
      access: [ACCESS],
      lost: 0,
    });
  });

  test('is through when the main thread has dealt with all that was sent', async () => {
    using channel = createChannel();
    await channel.port.delivered();
    channel.port.log('drained', { cut: 1 });
    const through = vi.fn();
    const delivered = channel.port.delivered().then(through);
    expect(await channel.next()).toMatchObject({ log: [{ fields: { cut: 1 } }] });
    expect(through).not.toHaveBeenCalled();
    channel.main.postMessage('done');
    await delivered;
  });

  test('takes nothing that would not be written', async () => {
    using channel = createChannel({ access: false });
    expect(channel.port.isEnabled('worker-started')).toBe(false);
    expect(channel.port.accessEnabled).toBe(false);
    channel.port.log('worker-started', { worker: 0 });
    channel.port.access(ACCESS);
    channel.port.log('drained', { cut: 1 });
    expect(await channel.next()).toMatchObject({ log: [{ event: 'drained' }], access: [] });
  });

  test.each([
    [true, true, true],
    [true, false, false],
    [false, true, false],
  ])('with an access log %s in the squid layout %s asks for its columns %s', (access, squid, wanted) => {
    using channel = createChannel({ access, squid });
    expect(channel.port.squidEnabled).toBe(wanted);
  });

  test('does not wait for the turn to end once a batch is full', async () => {
    using channel = createChannel();
    for (let cut = 0; cut < 65; cut += 1) channel.port.log('drained', { cut });
    expect((await channel.next()).log).toHaveLength(64);
    expect((await channel.next()).log).toHaveLength(1);
  });

  test('holds a bounded number of records while the main thread does not answer, and counts the others', async () => {
    using channel = createChannel();
    for (let cut = 0; cut < 16 * 64 + 1024 + 10; cut += 1) channel.port.log('drained', { cut });
    const batches: EventBatch[] = [];
    for (let index = 0; index < 16; index += 1) batches.push(await channel.next());
    expect(batches.flatMap(({ log }) => log)).toHaveLength(16 * 64);
    channel.main.postMessage('done');
    const rest = await channel.next();
    expect([rest.log.length, rest.lost]).toEqual([1024, 10]);
  });

  test('takes spans beside them, within a bound of their own', async () => {
    using channel = createChannel({ traceSample: 0.5 });
    expect(channel.port.traceSample).toBe(0.5);
    for (let count = 0; count < 16 * 64 + 1024 + 10; count += 1) channel.port.span(SAMPLE_SPAN);
    channel.port.log('drained', { cut: 1 });
    for (let index = 0; index < 16; index += 1) expect((await channel.next()).spans).toHaveLength(64);
    channel.main.postMessage('done');
    const { spans, lostSpans, log, lost } = await channel.next();
    expect([spans.length, lostSpans, log.length, lost]).toEqual([1024, 10, 1, 0]);
  });

  test('sends the rest at the end of a worker', async () => {
    using channel = createChannel();
    const batch = channel.next();
    channel.port.log('drained', { cut: 1 });
    channel.port.flush();
    channel.port.flush();
    expect((await batch).log).toHaveLength(1);
  });

  test('ends in the logs, however much a worker has to say', async () => {
    await using folder = await createFolder();
    await using file = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: file.log });
    using channel = createChannel();
    receiveEvents(channel.main, { log: file.log, access, spans: undefined });
    for (let cut = 0; cut < 2000; cut += 1) channel.port.log('drained', { cut });
    channel.port.access(ACCESS);
    await vi.waitFor(async () => expect(await folder.lines('access')).toHaveLength(1));
    await access[Symbol.asyncDispose]();
    expect(await file.events()).toMatchObject(Array.from({ length: 2000 }, (_, cut) => ({ event: 'drained', cut })));
  });

  test('says in the log what it had to drop', async () => {
    await using file = await createLog();
    using channel = createChannel();
    for (let cut = 0; cut < 5000; cut += 1) channel.port.log('drained', { cut });
    receiveEvents(channel.main, { log: file.log, access: undefined, spans: undefined });
    await vi.waitFor(() => expect(file.log.lostCount).toBe(5000 - 16 * 64 - 1024));
    const events = await file.events();
    expect(events.at(-1)).toMatchObject({ event: 'log-lines-lost', count: 5000 - 16 * 64 - 1024 });
  });
});
