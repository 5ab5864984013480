import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Logger } from '../../src/observe/logger.ts';
import type { SpanRecord } from '../../src/observe/span.ts';
import { SpanExporter } from '../../src/observe/span-exporter.ts';
import { createLog } from '../_util/observe-log.ts';
import { SAMPLE_SPAN } from '../_util/observe-span.ts';
import { startOtlpCollector } from '../_util/otlp-collector.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets half a second pass for timers before each look. */
async function until(holds: () => void): Promise<void> {
  await vi.waitFor(
    () => {
      vi.advanceTimersByTime(500);
      holds();
    },
    { timeout: 5000, interval: 10 },
  );
}

function createExporter(url: string, log: Logger): SpanExporter {
  return new SpanExporter({ url, version: '1.0.0', log });
}

function spans(count: number, from = 0): SpanRecord[] {
  return Array.from({ length: count }, (_, index) => ({ ...SAMPLE_SPAN, transaction: `7-${from + index}` }));
}

async function refusedUrl(): Promise<string> {
  await using gone = await startOtlpCollector();
  return gone.url;
}

describe('spans on their way to a collector', () => {
  test('are gathered for a second and posted as JSON', async () => {
    await using collector = await startOtlpCollector();
    await using file = await createLog();
    await using exporter = createExporter(collector.url, file.log);
    exporter.add(spans(1), 0);
    exporter.add(spans(2), 0);
    vi.advanceTimersByTime(999);
    expect(exporter.counts).toEqual({ exported: 0, lost: 0 });
    vi.advanceTimersByTime(1);
    await vi.waitFor(() => expect(exporter.counts).toEqual({ exported: 3, lost: 0 }));
    expect(collector.posted).toMatchObject([{ path: '/v1/traces', contentType: 'application/json' }]);
    expect(collector.spans).toHaveLength(3);
  });

  test('go at once when a batch is full, and one batch at a time', async () => {
    await using collector = await startOtlpCollector();
    await using file = await createLog();
    await using exporter = createExporter(collector.url, file.log);
    exporter.add(spans(1100), 0);
    await until(() => expect(exporter.counts.exported).toBe(1100));
    expect(collector.posted.map(({ body }) => body.resourceSpans[0]?.scopeSpans[0]?.spans.length)).toEqual([
      512, 512, 76,
    ]);
  });

  test('wait while it is away, and are told of once', async () => {
    const url = await refusedUrl();
    await using file = await createLog();
    const told = vi.spyOn(file.log, 'log');
    await using exporter = createExporter(url, file.log);
    exporter.add(spans(2), 0);
    await until(() => expect(told).toHaveBeenCalledTimes(1));
    await using collector = await startOtlpCollector(Number(new URL(url).port));
    await until(() => expect(exporter.counts).toEqual({ exported: 2, lost: 0 }));
    expect(collector.spans).toHaveLength(2);
    expect(await file.events()).toMatchObject([
      { event: 'traces-failed', level: 'warning', collector: `${url}/v1/traces` },
      { event: 'traces-recovered', level: 'notice' },
    ]);
  });

  test.each([429, 502, 503, 504])('are sent again after a %i', async (status) => {
    await using collector = await startOtlpCollector();
    await using file = await createLog();
    await using exporter = createExporter(collector.url, file.log);
    collector.answer = { status, body: '' };
    exporter.add(spans(1), 0);
    await until(() => expect(collector.posted).toHaveLength(1));
    collector.answer = { status: 200, body: '' };
    await until(() => expect(exporter.counts).toEqual({ exported: 1, lost: 0 }));
    expect(collector.spans.map(({ spanId }) => spanId)).toEqual([SAMPLE_SPAN.spanId, SAMPLE_SPAN.spanId]);
  });
});

describe('lost spans are counted', () => {
  test('beyond what may wait, and those that workers dropped', async () => {
    await using file = await createLog();
    await using exporter = createExporter(await refusedUrl(), file.log);
    exporter.add(spans(9000), 5);
    expect(exporter.counts).toEqual({ exported: 0, lost: 9000 - 8192 + 5 });
  });

  test('when a collector will never take them', async () => {
    await using collector = await startOtlpCollector();
    await using file = await createLog();
    await using exporter = createExporter(collector.url, file.log);
    collector.answer = { status: 400, body: '{"code":3,"message":"no"}' };
    exporter.add(spans(3), 0);
    await until(() => expect(exporter.counts).toEqual({ exported: 0, lost: 3 }));
    collector.answer = { status: 200, body: '{}' };
    exporter.add(spans(1), 0);
    await until(() => expect(exporter.counts).toEqual({ exported: 1, lost: 3 }));
    expect(collector.spans).toHaveLength(4);
    expect(await file.events()).toMatchObject([
      { event: 'traces-failed', detail: 'it answered 400' },
      { event: 'traces-recovered' },
      { event: 'traces-lost', count: 3 },
    ]);
  });

  test.each([
    { body: '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}}', lost: 2 },
    { body: '{"partialSuccess":{"rejectedSpans":99}}', lost: 3 },
    { body: '{"partialSuccess":{"rejectedSpans":"-1"}}', lost: 0 },
    { body: 'null', lost: 0 },
    { body: '\u0000', lost: 0 },
    { body: `{"x":"${'x'.repeat(200_000)}"}`, lost: 0 },
  ])('when it took them in part: $lost', async ({ body, lost }) => {
    await using collector = await startOtlpCollector();
    await using file = await createLog();
    await using exporter = createExporter(collector.url, file.log);
    collector.answer = { status: 200, body };
    exporter.add(spans(3), 0);
    await until(() => expect(exporter.counts).toEqual({ exported: 3 - lost, lost }));
  });
});

describe('at the end', () => {
  test('what is left is sent', async () => {
    await using collector = await startOtlpCollector();
    await using file = await createLog();
    const exporter = createExporter(collector.url, file.log);
    exporter.add(spans(600), 0);
    exporter.add(spans(600), 0);
    await exporter[Symbol.asyncDispose]();
    expect(collector.spans).toHaveLength(1200);
    expect(exporter.counts).toEqual({ exported: 1200, lost: 0 });
  });

  test('a collector that is away is not waited for', async () => {
    await using file = await createLog();
    const exporter = createExporter(await refusedUrl(), file.log);
    exporter.add(spans(600), 0);
    await exporter[Symbol.asyncDispose]();
    expect(exporter.counts).toEqual({ exported: 0, lost: 600 });
    expect((await file.events()).at(-1)).toMatchObject({ event: 'traces-lost', count: 600 });
  });

  test('one that says nothing is not waited for longer than two seconds', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    await using file = await createLog();
    const exporter = createExporter(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, file.log);
    const connected = once(silent, 'connection');
    exporter.add(spans(600), 0);
    await connected;
    const ended = exporter[Symbol.asyncDispose]();
    vi.advanceTimersByTime(2000);
    await ended;
    expect(exporter.counts).toEqual({ exported: 0, lost: 600 });
    silent.close();
  });
});
