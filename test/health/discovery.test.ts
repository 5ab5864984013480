import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startDiscovery } from '../../src/health/discovery.ts';
import type { NameMemory, SoughtName } from '../../src/health/name-lookup.ts';
import { type ScriptedResolver, scriptResolver, srvTarget } from '../_util/health-resolver.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const HOST: SoughtName = { kind: 'tcp', host: 'dlp.example', port: 1344 };
const SRV: SoughtName = { kind: 'srv', name: '_icap._tcp.example' };

function follow(resolver: ScriptedResolver, sought: SoughtName = HOST, memory?: NameMemory) {
  const told: string[] = [];
  const discovery = startDiscovery({
    ...{ sought, resolver, memory },
    onEndpoints: (endpoints) => told.push(endpoints.map(({ ip }) => ip).join(' ')),
    onFailure: (detail) => told.push(`failed: ${detail}`),
    onRecovery: () => told.push('recovered'),
  });
  return { told, discovery };
}

describe('following a name', () => {
  test('the addresses are told once, without duplicates and in a stable order', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['2001:db8::1', '10.0.0.2', '10.0.0.1', '10.0.0.2'] });
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await discovery.settled;
    resolver.records.set('dlp.example', ['10.0.0.1', '10.0.0.2', '2001:db8::1']);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(told).toEqual(['10.0.0.1 10.0.0.2 2001:db8::1']);
    expect(resolver.asked.length).toBeGreaterThan(3);
  });

  test('a change is told when it is seen', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await discovery.settled;
    resolver.records.set('dlp.example', ['10.0.0.1', '10.0.0.9']);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(told).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(told).toEqual(['10.0.0.1', '10.0.0.1 10.0.0.9']);
  });

  test.each([
    { name: 'the TTL of the record', ttl: 60_000, everyMs: 60_000 },
    { name: '30 s where nobody tells a TTL', ttl: undefined, everyMs: 30_000 },
    { name: '1 s at least', ttl: 0, everyMs: 1_000 },
    { name: '5 min at most', ttl: 86_400_000, everyMs: 300_000 },
  ])('it asks again after $name', async ({ ttl, everyMs }) => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    resolver.ttl = ttl;
    const { discovery } = follow(resolver);
    using _discovery = discovery;
    await vi.advanceTimersByTimeAsync(everyMs - 1);
    expect(resolver.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(resolver.asked).toHaveLength(2);
  });

  test('while somebody there fails it asks at once, and then every 5 s, whatever the TTL', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    resolver.ttl = 600_000;
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(resolver.asked).toHaveLength(1);
    discovery.setDoubt(true);
    await vi.advanceTimersByTimeAsync(1_000);
    discovery.setDoubt(true);
    expect(resolver.asked).toHaveLength(2);
    resolver.records.set('dlp.example', ['10.0.0.9']);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['10.0.0.1', '10.0.0.9']);
    discovery.setDoubt(false);
    await vi.advanceTimersByTimeAsync(5_000);
    const { length } = resolver.asked;
    await vi.advanceTimersByTimeAsync(299_000);
    expect(resolver.asked).toHaveLength(length);
  });

  test('a doubt asks nothing twice, and nothing after the end', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    const { discovery } = follow(resolver);
    discovery.setDoubt(true);
    await discovery.settled;
    expect(resolver.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    discovery[Symbol.dispose]();
    discovery.setDoubt(false);
    discovery.setDoubt(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a failure is told once and takes no address away; the recovery is told too', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await discovery.settled;
    resolver.records.delete('dlp.example');
    await vi.advanceTimersByTimeAsync(60_000);
    resolver.records.set('dlp.example', ['10.0.0.1']);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['10.0.0.1', 'failed: getaddrinfo ENOTFOUND dlp.example', 'recovered']);
  });

  test('a family that cannot be asked for keeps its addresses, the other one loses what has gone', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1', '10.0.0.2', '2001:db8::1'] });
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await discovery.settled;
    resolver.records.set('dlp.example', ['10.0.0.2']);
    resolver.missing = 6;
    await vi.advanceTimersByTimeAsync(30_000);
    resolver.missing = undefined;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(told).toEqual(['10.0.0.1 10.0.0.2 2001:db8::1', '10.0.0.2 2001:db8::1', '10.0.0.2']);
  });

  test('a name that does not resolve at the start is asked for every 5 s', async () => {
    const resolver = scriptResolver({});
    resolver.ttl = 300_000;
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await discovery.settled;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(resolver.asked).toHaveLength(3);
    resolver.records.set('dlp.example', ['10.0.0.1']);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['failed: getaddrinfo ENOTFOUND dlp.example', 'recovered', '10.0.0.1']);
  });

  test('what another discovery knew is told at once, and stays while the name cannot be resolved', async () => {
    const first = follow(scriptResolver({ 'dlp.example': ['10.0.0.1'] }));
    await first.discovery.settled;
    first.discovery[Symbol.dispose]();
    const { told, discovery } = follow(scriptResolver({}), HOST, first.discovery.memory);
    using _discovery = discovery;
    expect(told).toEqual(['10.0.0.1']);
    await discovery.settled;
    expect(told).toEqual(['10.0.0.1', 'failed: getaddrinfo ENOTFOUND dlp.example']);
  });

  test('disposing stops it, also while an answer is on its way', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    const { told, discovery } = follow(resolver);
    discovery[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('disposing stops the timer', async () => {
    const { discovery } = follow(scriptResolver({ 'dlp.example': ['10.0.0.1'] }));
    await vi.advanceTimersByTimeAsync(1_000);
    discovery[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('following SRV records', () => {
  function scriptTargets(...records: readonly string[]): ScriptedResolver {
    const resolver = scriptResolver({ 'a.example': ['10.0.0.1'], 'b.example': ['10.0.0.2', '2001:db8::2'] });
    resolver.services.set('_icap._tcp.example', records.map(srvTarget));
    return resolver;
  }

  test('targets that come, go and move are told', async () => {
    const resolver = scriptTargets('0 1 a.example:1344');
    const { told, discovery } = follow(resolver, SRV);
    using _discovery = discovery;
    await discovery.settled;
    const targets = ['0 1 a.example:1344', '0 1 b.example:1344'].map(srvTarget);
    resolver.services.set('_icap._tcp.example', targets);
    await vi.advanceTimersByTimeAsync(30_000);
    resolver.records.set('a.example', ['10.0.0.9']);
    await vi.advanceTimersByTimeAsync(30_000);
    resolver.services.set('_icap._tcp.example', targets.slice(1));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(told).toEqual([
      '10.0.0.1',
      '10.0.0.1 10.0.0.2 2001:db8::2',
      '10.0.0.9 10.0.0.2 2001:db8::2',
      '10.0.0.2 2001:db8::2',
    ]);
  });

  test('a change of weight alone is told', async () => {
    const resolver = scriptTargets('0 1 a.example:1344', '0 1 b.example:1344');
    const { told, discovery } = follow(resolver, SRV);
    using _discovery = discovery;
    await discovery.settled;
    resolver.services.set('_icap._tcp.example', ['0 3 a.example:1344', '0 1 b.example:1344'].map(srvTarget));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(told).toHaveLength(2);
  });

  test.each([
    { name: 'the TTL of the addresses', ttl: 7_000, everyMs: 7_000 },
    { name: '30 s at most: nobody tells the TTL of SRV records', ttl: 3_600_000, everyMs: 30_000 },
  ])('it asks again after $name', async ({ ttl, everyMs }) => {
    const resolver = scriptTargets('0 1 a.example:1344');
    resolver.ttl = ttl;
    const { discovery } = follow(resolver, SRV);
    using _discovery = discovery;
    await vi.advanceTimersByTimeAsync(everyMs - 1);
    expect(resolver.asked).toEqual(['_icap._tcp.example', 'a.example']);
    await vi.advanceTimersByTimeAsync(1);
    expect(resolver.asked).toHaveLength(4);
  });

  test('records that cannot be had leave the targets, whose addresses are still followed', async () => {
    const resolver = scriptTargets('0 1 a.example:1344');
    const { told, discovery } = follow(resolver, SRV);
    using _discovery = discovery;
    await discovery.settled;
    resolver.services.clear();
    resolver.records.set('a.example', ['10.0.0.9']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toEqual(['10.0.0.1', 'failed: querySrv ENOTFOUND _icap._tcp.example', '10.0.0.9']);
  });

  test('a target that does not resolve keeps what it had, and the others are followed at their TTL', async () => {
    const resolver = scriptTargets('0 1 a.example:1344', '0 1 b.example:1344');
    resolver.ttl = 2_000;
    const { told, discovery } = follow(resolver, SRV);
    using _discovery = discovery;
    await discovery.settled;
    resolver.records.delete('b.example');
    await vi.advanceTimersByTimeAsync(2_000);
    resolver.records.set('a.example', ['10.0.0.9']);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(told).toEqual([
      '10.0.0.1 10.0.0.2 2001:db8::2',
      'failed: getaddrinfo ENOTFOUND b.example',
      '10.0.0.9 10.0.0.2 2001:db8::2',
    ]);
  });

  test('no more than 64 targets are asked for, those to be used first', async () => {
    const names = Array.from({ length: 70 }, (_, i) => `${69 - i} 1 t${69 - i}.example:1344`);
    const resolver = scriptTargets(...names);
    const { discovery } = follow(resolver, SRV);
    using _discovery = discovery;
    await discovery.settled;
    expect(resolver.asked).toHaveLength(65);
    expect(resolver.asked).not.toContain('t64.example');
  });
});
