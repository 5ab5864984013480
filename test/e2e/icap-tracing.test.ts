import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering } from '../_util/icap-script-backend.ts';
import { answer, blocked, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';
import { attributesOf, type OtlpCollector, type OtlpSpan, startOtlpCollector } from '../_util/otlp-collector.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

let collector: OtlpCollector;
let rig: Rig<'traced'>;

beforeAll(async () => {
  collector = await startOtlpCollector();
  rig = await startRig(
    { traced: { config: { headers: { correlation: 'X-Request-ID' } } } },
    { tracing: { otlp: collector.url } },
  );
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await collector[Symbol.asyncDispose]();
});

function request(...lines: readonly string[]): Buffer {
  return reqmod({ lines: ['Allow: 204', ...lines], body: 'x' });
}

async function spanOf(correlation: string): Promise<OtlpSpan> {
  const find = (): OtlpSpan | undefined =>
    collector.spans.find(({ attributes }) => attributesOf(attributes)['icapgw.correlation'] === correlation);
  await expect.poll(find, { timeout: 5_000 }).toBeDefined();
  return find() as OtlpSpan;
}

describe('a traced request', () => {
  test('is one span of the trace that the client sent, and the parent of what the backend does', async () => {
    const backend = rig.backend('traced');
    backend.script = answering(blocked());
    const lines = [`traceparent: 00-${TRACE}-${PARENT}-01`, 'tracestate: a=1', 'X-Request-ID: one'];
    await rig.ask('traced', request(...lines));
    const span = await spanOf('one');
    expect(span).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, traceState: 'a=1', name: 'REQMOD traced' });
    expect(attributesOf(span.attributes)).toMatchObject({
      'icapgw.verdict': 'blocked',
      'icapgw.backend': 'backend-0',
      'icapgw.attempts': '1',
      'icap.response.status_code': '200',
      'url.scheme': 'icap',
    });
    const sent = backend.exchanges.at(-1)?.head.fields.filter(({ key }) => key.startsWith('trace'));
    expect(sent?.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      `traceparent: 00-${TRACE}-${span.spanId}-01`,
      'tracestate: a=1',
    ]);
    expect(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)).toBeGreaterThan(0n);
    const [access] = await rig.access('traced', 1);
    expect(access).toMatchObject({ transaction: attributesOf(span.attributes)['icapgw.transaction'] });
  });

  test('begins a trace where the client has none, and names nobody', async () => {
    const backend = rig.backend('traced');
    backend.script = answering(answer(204));
    await rig.ask('traced', request('X-Request-ID: two', 'X-Client-IP: 192.0.2.7', 'X-Authenticated-User: YWxpY2U='));
    const span = await spanOf('two');
    expect(span.parentSpanId).toBeUndefined();
    expect(backend.exchanges.at(-1)?.head.fields).toContainEqual(
      expect.objectContaining({ key: 'traceparent', value: `00-${span.traceId}-${span.spanId}-01` }),
    );
    const text = JSON.stringify(span);
    for (const secret of ['192.0.2.7', '127.0.0.1', 'alice', 'YWxpY2U', 'www.example'])
      expect(text).not.toContain(secret);
  });

  test('is not exported when the client says so, and tells the backend', async () => {
    const backend = rig.backend('traced');
    backend.script = answering(answer(204));
    await rig.ask('traced', request(`traceparent: 00-${TRACE}-${PARENT}-00`, 'X-Request-ID: quiet'));
    await rig.ask('traced', request('X-Request-ID: after'));
    await spanOf('after');
    expect(JSON.stringify(collector.spans)).not.toContain('quiet');
    const sent = backend.exchanges.at(-2)?.head.fields.find(({ key }) => key === 'traceparent')?.value;
    expect(sent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  });

  test('is counted', async () => {
    await expect
      .poll(() => rig.gateway.metric('icapgw_trace_spans_total', { result: 'exported' }))
      .toBe(collector.spans.length);
    expect(await rig.gateway.metric('icapgw_trace_spans_total', { result: 'lost' })).toBe(0);
  });
});

test('what is left at the end is sent before the process ends', async () => {
  await using own = await startOtlpCollector();
  await using ending = await startRig({ traced: {} }, { tracing: { otlp: own.url } });
  ending.backend('traced').script = answering(answer(204));
  await ending.ask('traced', request());
  ending.gateway.signal('SIGTERM');
  expect(await ending.gateway.exited).toMatchObject({ code: 0 });
  expect(own.spans).toHaveLength(1);
});

test('with sample 0 only what clients want traced is exported', async () => {
  await using own = await startOtlpCollector();
  await using rare = await startRig({ traced: {} }, { tracing: { otlp: own.url, sample: 0 } });
  rare.backend('traced').script = answering(answer(204));
  await rare.ask('traced', request());
  await rare.ask('traced', request(`traceparent: 00-${TRACE}-${PARENT}-01`));
  rare.gateway.signal('SIGTERM');
  await rare.gateway.exited;
  expect(own.spans.map(({ traceId }) => traceId)).toEqual([TRACE]);
});
