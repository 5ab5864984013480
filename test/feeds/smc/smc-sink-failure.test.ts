import { describe, expect, test, vi } from 'vitest';
import type { SmcFault, SmcOperationName } from '../../_util/fake-smc.ts';
import { startFakeSmc } from '../../_util/fake-smc.ts';
import { HOUR_MS, LINGER_MS, type SmcRig, startSmcRig, turn } from '../../_util/smc-rig.ts';

const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2' }, { name: 'NGFW 3' }];
const EVERY_STEP: readonly SmcOperationName[] = ['versions', 'login', 'entry-points', 'engines', 'engine', 'add'];

/** The next request of this kind, and only that one, meets the fault. */
function once(rig: SmcRig, operation: SmcOperationName, fault: SmcFault, engine?: string): void {
  let isMet = false;
  rig.smc.fault = (call) => {
    if (isMet || call.operation !== operation || (engine !== undefined && call.engine !== engine)) return undefined;
    isMet = true;
    return fault;
  };
}

/** Each request of this kind meets it from now on. */
function always(rig: SmcRig, operation: SmcOperationName, fault: SmcFault, engine?: string): void {
  rig.smc.fault = (call) =>
    call.operation === operation && (engine === undefined || call.engine === engine) ? fault : undefined;
}

describe('an SMC that fails', () => {
  const FAULTS: readonly (readonly [string, SmcFault])[] = [
    ['is busy', { status: 503 }],
    ['fails inside', { status: 500 }],
    ['has a conflict', { status: 409 }],
    ['is asked too often', { status: 429 }],
    ['was sent too little', { status: 408 }],
    ['was sent too much', { status: 413 }],
    ['sends elsewhere', { status: 302, headers: { Location: 'http://127.0.0.1:1/' } }],
    ['cuts the connection', { act: 'reset' }],
    ['does not answer', { act: 'hang' }],
  ];

  test.each(EVERY_STEP.flatMap((step) => FAULTS.map(([name, fault]) => ({ step, name, fault }))))(
    '$name at $step is asked again after a second, and every session is closed',
    async ({ step, fault }) => {
      await using rig = await startSmcRig({ config: { timeoutMs: 150 } });
      once(rig, step, fault);
      await rig.put('198.51.100.0');
      await rig.session(LINGER_MS);
      expect(rig.smc.addressesOf('NGFW 1')).toEqual([]);
      expect(rig.smc.sessionCount).toBe(0);
      await rig.quiet(999);
      await rig.session(1);
      expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
      expect(rig.smc.sessionCount).toBe(0);
      expect(rig.smc.callsOf('other')).toEqual([]);
      expect(rig.sink.status()).toMatchObject({ up: true, lastError: undefined });
    },
  );

  test.each(
    (['versions', 'login', 'entry-points', 'engines', 'engine'] as const).flatMap((step) => [
      { step, body: '<html>' },
      { step, body: '{}' },
      { step, body: '' },
    ]),
  )('$step answered with $body cannot be read, and is asked again', async ({ step, body }) => {
    await using rig = await startSmcRig();
    once(rig, step, { status: 200, body });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual([]);
    await rig.session(1000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
    expect(rig.smc.sessionCount).toBe(0);
  });

  test.each(
    (['versions', 'login', 'entry-points', 'engines'] as const).flatMap((step) =>
      [400, 404].map((status) => ({ step, status })),
    ),
  )('$status at $step is no word about an engine: everything is kept, and asked again', async ({ step, status }) => {
    await using rig = await startSmcRig();
    once(rig, step, { status });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.queue.status().depth).toBe(1);
    expect(rig.counts.get('up')).toBe(0);
    expect(rig.smc.sessionCount).toBe(0);
    await rig.quiet(999);
    await rig.session(1);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  });

  test.each<SmcFault>([{ status: 503 }, { status: 401 }, { act: 'reset' }, { act: 'hang' }])(
    'with %j at logout has taken what it was brought, and is brought nothing again',
    async (fault) => {
      await using rig = await startSmcRig({ engines: ENGINES, config: { timeoutMs: 150 } });
      once(rig, 'logout', fault);
      await rig.put('198.51.100.0');
      await rig.session(LINGER_MS);
      expect(rig.counts.get('up')).toBe(1);
      expect(rig.smc.sessionCount).toBe(1);
      expect(rig.queue.status().depth).toBe(0);
      await rig.quiet(HOUR_MS / 2 - 1);
      expect(rig.smc.callsOf('logout')).toHaveLength(1);
      for (const { name } of ENGINES) expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0']);
    },
  );

  test('login takes 200 and no other success', async () => {
    await using rig = await startSmcRig();
    once(rig, 'login', { status: 201, headers: { 'Set-Cookie': 'JSESSIONID=x' } });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.callsOf('entry-points')).toEqual([]);
  });

  test.each([200, 201, 202, 204])('entries answered with %i are taken', async (status) => {
    await using rig = await startSmcRig();
    always(rig, 'add', { status, body: '' });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.counts.get('NGFW 1 added')).toBe(1);
    await rig.quiet(HOUR_MS / 2 - 1000);
  });

  test('an answer without end is cut off', async () => {
    await using rig = await startSmcRig();
    once(rig, 'engines', { status: 200, body: 'x'.repeat(16 * 1024 * 1024 + 1) });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.sink.status().lastError).toContain('more than 16777216 bytes');
    await rig.session(1000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  });

  test('an SMC that lists no engine is asked again', async () => {
    await using rig = await startSmcRig({ engines: [] });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.counts.get('up')).toBe(0);
    rig.smc.engines = [{ name: 'NGFW 1' }];
    await rig.session(1000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  });

  test('pauses double up to a minute, and it is said once', async () => {
    await using rig = await startSmcRig();
    always(rig, 'login', { status: 503 });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      await rig.quiet(seconds * 1000 - 1);
      await rig.session(1);
    }
    expect(rig.eventsOf('smc-failed')).toHaveLength(1);
    expect(rig.counts.get('login 503')).toBe(9);
    expect(rig.counts.get('up')).toBe(0);
    rig.smc.fault = () => undefined;
    await rig.session(60_000);
    expect(rig.eventsOf('smc-recovered')).toEqual([{ endpoint: rig.smc.url, version: '6.7' }]);
    expect(rig.counts.get('up')).toBe(1);
  });

  test.each([
    ['seconds', () => '120'],
    ['a date', (rig: SmcRig) => new Date(rig.clock.nowMs() + LINGER_MS + 120_000).toUTCString()],
  ])('that says in %s when to come again is not asked before', async (_, retryAfter) => {
    await using rig = await startSmcRig();
    // Dates are of whole seconds.
    rig.clock.advance(500);
    once(rig, 'entry-points', { status: 503, headers: { 'Retry-After': retryAfter(rig) } });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.quiet(120_000);
    await rig.session(24_000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  });

  test('that is away for ten minutes gets everything when it is back, for the time that is left', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    await rig.put('198.51.100.0');
    const { url } = rig.smc;
    await rig.smc[Symbol.asyncDispose]();
    await rig.session(LINGER_MS);
    let outageMs = 0;
    while (outageMs < 600_000) {
      const stepMs = rig.clock.nextInMs as number;
      expect(stepMs).toBeLessThanOrEqual(60_000);
      outageMs += stepMs;
      if (outageMs > 300_000) await rig.put('198.51.100.1');
      await rig.session(stepMs);
    }
    await using back = await startFakeSmc({ engines: ENGINES }, Number(new URL(url).port));
    await rig.session(rig.clock.nextInMs as number);
    for (const { name } of ENGINES) expect(back.addressesOf(name)).toEqual(['198.51.100.0', '198.51.100.1']);
    const [first] = back.entriesOf('NGFW 1');
    expect(first?.duration).toBeGreaterThan(3600 - 600 - 130);
    expect(first?.duration).toBeLessThanOrEqual(3000);
    expect(back.sessionCount).toBe(0);
    expect(rig.counts.get('versions error')).toBeGreaterThan(9);
  });

  test('for longer than an address is blocked loses it, which is counted and told', async () => {
    await using rig = await startSmcRig({ durationMs: 10_000 });
    always(rig, 'versions', { status: 503 });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.session(1000);
    await rig.session(2000);
    await rig.session(4000);
    rig.clock.advance(2500);
    await rig.queue.expire(rig.clock.nowMs());
    expect(rig.counts.get('unknown expired')).toBe(1);
    expect(rig.eventsOf('smc-expired')).toEqual([{ count: 1 }]);
    rig.smc.fault = () => undefined;
    expect(rig.queue.nextDueMs(5000)).toBeUndefined();
  });
});

describe('a clock that is set back puts off', () => {
  const ADDRESS = '198.51.100.0';

  async function isToldAfter(rig: SmcRig, ms: number): Promise<void> {
    rig.smc.fault = () => undefined;
    rig.clock.advance(ms);
    await turn();
    rig.clock.advance(1);
    await vi.waitFor(() => expect(rig.smc.addressesOf('NGFW 1')).toContain(ADDRESS));
  }

  test('no session after one that failed', async () => {
    await using rig = await startSmcRig();
    always(rig, 'login', { status: 503 });
    await rig.put(ADDRESS);
    await rig.session(LINGER_MS);
    rig.clock.setBack(HOUR_MS);
    await isToldAfter(rig, 1000);
  });

  test('no engine that failed', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    always(rig, 'add', { status: 503 }, 'NGFW 1');
    await rig.put(ADDRESS);
    await rig.session(LINGER_MS);
    rig.clock.setBack(HOUR_MS);
    await isToldAfter(rig, 1000);
  });

  test('nothing that waits for company', async () => {
    await using rig = await startSmcRig();
    await rig.put('198.51.100.1');
    rig.clock.setBack(HOUR_MS);
    await rig.put(ADDRESS);
    await isToldAfter(rig, LINGER_MS);
  });
});

describe('one engine that fails', () => {
  test.each<SmcFault>([{ status: 503 }, { status: 409 }, { act: 'reset' }])(
    'with %j is repeated alone',
    async (fault) => {
      await using rig = await startSmcRig({ engines: ENGINES });
      always(rig, 'add', fault, 'NGFW 2');
      await rig.put('198.51.100.0');
      await rig.session(LINGER_MS);
      await rig.session(1000);
      await rig.put('198.51.100.1');
      await rig.session(LINGER_MS);
      expect(rig.smc.addressesOf('NGFW 3')).toEqual(['198.51.100.0', '198.51.100.1']);
      // It is asked at its own time, which is two seconds after its second failure.
      expect(rig.smc.callsOf('engine', 'NGFW 2')).toHaveLength(2);
      await rig.quiet(2000 - LINGER_MS - 1);
      rig.smc.fault = () => undefined;
      await rig.session(1);
      for (const { name } of ENGINES) expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0', '198.51.100.1']);
      expect(rig.smc.callsOf('add', 'NGFW 1')).toHaveLength(2);
      expect(rig.eventsOf('smc-engine-failed')).toHaveLength(1);
      expect(rig.eventsOf('smc-engine-recovered')).toEqual([{ engine: 'NGFW 2' }]);
      expect(rig.counts.get('up')).toBe(1);
      expect(rig.smc.sessionCount).toBe(0);
    },
  );

  test('and says when to come again is not asked before, and the others are', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    once(rig, 'add', { status: 429, headers: { 'Retry-After': '120' } }, 'NGFW 2');
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.quiet(60_000);
    await rig.put('198.51.100.1');
    await rig.session(LINGER_MS);
    expect(rig.smc.callsOf('add', 'NGFW 2')).toHaveLength(1);
    for (const name of ['NGFW 1', 'NGFW 3']) {
      expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0', '198.51.100.1']);
    }
    // Until 120 s after it was asked, and up to a fifth of that more.
    await rig.quiet(60_000 - LINGER_MS);
    await rig.session(12_000);
    expect(rig.smc.addressesOf('NGFW 2')).toEqual(['198.51.100.0', '198.51.100.1']);
  });

  test.each([403, 404])('with %i when it is asked for its list has rejected what it was to get', async (status) => {
    await using rig = await startSmcRig({ engines: ENGINES });
    once(rig, 'engine', { status }, 'NGFW 2');
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.quiet(HOUR_MS / 2);
    expect(rig.counts.get('NGFW 2 rejected')).toBe(1);
    expect(rig.queue.find('198.51.100.0')).toMatchObject({ isPending: false });
    for (const name of ['NGFW 1', 'NGFW 3']) expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0']);
  });

  test('when it is asked for its list is repeated alone too', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    once(rig, 'engine', { status: 500 }, 'NGFW 1');
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 2')).toEqual(['198.51.100.0']);
    await rig.session(1000);
    for (const { name } of ENGINES) expect(rig.smc.callsOf('add', name)).toHaveLength(1);
  });

  test('after a part of its addresses gets the others only', async () => {
    await using rig = await startSmcRig();
    const addresses = Array.from({ length: 200 }, (_, at) => `198.51.100.${at}`);
    rig.smc.fault = ({ operation }) =>
      operation === 'add' && rig.smc.callsOf('add').length === 2 ? { status: 503 } : undefined;
    await rig.put(...addresses);
    await rig.session(LINGER_MS);
    await rig.session(1000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(addresses);
  });

  test('with 413 gets fewer at a time', async () => {
    await using rig = await startSmcRig();
    rig.smc.fault = ({ operation, body }) =>
      operation === 'add' && JSON.parse(body).entries.length > 50 ? { status: 413 } : undefined;
    const addresses = Array.from({ length: 60 }, (_, at) => `198.51.100.${at}`);
    await rig.put(...addresses);
    await rig.session(LINGER_MS);
    await rig.session(1000);
    await rig.session(2000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(addresses);
    expect(rig.smc.callsOf('add').map(({ body }) => JSON.parse(body).entries.length / 2)).toEqual([
      60, 30, 15, 15, 15, 15,
    ]);
  });

  test.each([400, 403, 404, 422])('with %i has rejected it, and is not asked again', async (status) => {
    await using rig = await startSmcRig({ engines: ENGINES });
    const body = JSON.stringify({ message: 'Not for this engine', details: ['really'], status: '0' });
    always(rig, 'add', { status, body }, 'NGFW 2');
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.quiet(HOUR_MS - LINGER_MS - 1);
    expect(rig.smc.callsOf('add', 'NGFW 2')).toHaveLength(1);
    expect(rig.smc.addressesOf('NGFW 3')).toEqual(['198.51.100.0']);
    expect(rig.counts.get('NGFW 2 rejected')).toBe(1);
    const [told] = rig.eventsOf('smc-rejected');
    expect(told?.detail).toContain(`${status} (Not for this engine really)`);
    const outcomes = [...(rig.queue.find('198.51.100.0')?.engines ?? [])].map(([name, { outcome }]) => [name, outcome]);
    expect(Object.fromEntries(outcomes)).toEqual({ 'NGFW 1': 'added', 'NGFW 2': 'rejected', 'NGFW 3': 'added' });
    await rig.queue.expire(rig.clock.nowMs() + 1);
    expect(rig.counts.get('NGFW 2 expired')).toBe(0);
  });

  test('because of one address has the others', async () => {
    await using rig = await startSmcRig();
    rig.smc.fault = ({ operation, body }) =>
      operation === 'add' && body.includes('2001:db8::1/128') ? { status: 400 } : undefined;
    const addresses = Array.from({ length: 40 }, (_, at) => `198.51.100.${at}`);
    await rig.put(...addresses.slice(0, 17), '2001:db8::1', ...addresses.slice(17));
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(addresses);
    expect(rig.counts.get('NGFW 1 rejected')).toBe(1);
    expect(rig.queue.find('2001:db8::1')?.engines.get('NGFW 1')?.outcome).toBe('rejected');
  });

  test('to its end leaves its share as expired', async () => {
    await using rig = await startSmcRig({ engines: ENGINES, durationMs: 3000 });
    always(rig, 'add', { status: 503 }, 'NGFW 2');
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.session(1000);
    rig.clock.advance(1500);
    await rig.queue.expire(rig.clock.nowMs());
    expect([...rig.counts].filter(([key]) => key.endsWith(' expired'))).toEqual([
      ['unknown expired', 0],
      ['NGFW 1 expired', 0],
      ['NGFW 2 expired', 1],
      ['NGFW 3 expired', 0],
    ]);
  });

  test('to hold what it has for longer is asked again, and keeps what it has until then', async () => {
    await using rig = await startSmcRig();
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    const held = rig.queue.find('198.51.100.0')?.engines.get('NGFW 1');
    rig.clock.advance(1000);
    await rig.put('198.51.100.0');
    always(rig, 'add', { status: 503 });
    await rig.session(HOUR_MS / 2);
    expect(rig.queue.find('198.51.100.0')?.engines.get('NGFW 1')).toEqual({ ...held, outcome: 'pending' });
    expect(rig.queue.status().depth).toBe(1);
    rig.smc.fault = () => undefined;
    await rig.session(1000);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0', '198.51.100.0']);
    expect(rig.queue.find('198.51.100.0')?.engines.get('NGFW 1')?.outcome).toBe('added');
    await rig.quiet(HOUR_MS / 2);
  });

  test('silent engines do not keep the others waiting for ever', async () => {
    const engines = Array.from({ length: 6 }, (_, at) => ({ name: `NGFW ${at}` }));
    await using rig = await startSmcRig({ engines, config: { timeoutMs: 150 } });
    rig.smc.fault = ({ operation, engine }) =>
      operation === 'add' && (engine === 'NGFW 0' || engine === 'NGFW 1') ? { act: 'hang' } : undefined;
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.callsOf('engine', 'NGFW 2')).toEqual([]);
    await rig.session(1000);
    for (const { name } of engines.slice(2)) expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0']);
  });
});
