import { Resolver as DnsResolver } from 'node:dns/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startDiscovery } from '../../src/health/discovery.ts';
import { createSystemResolver } from '../../src/health/resolver.ts';
import { type ScriptedResolver, scriptResolver } from '../_util/health-resolver.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function follow(resolver: ScriptedResolver) {
  const told: string[] = [];
  const discovery = startDiscovery({
    host: 'dlp.example',
    resolver,
    onAddresses: (addresses) => told.push(addresses.join(' ')),
    onFailure: (error) => told.push(`failed: ${error}`),
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
    { name: '5 s at least', ttl: 0, everyMs: 5_000 },
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

  test('a failure is told once and takes no address away; the recovery is told too', async () => {
    const resolver = scriptResolver({ 'dlp.example': ['10.0.0.1'] });
    const { told, discovery } = follow(resolver);
    using _discovery = discovery;
    await discovery.settled;
    resolver.records.delete('dlp.example');
    await vi.advanceTimersByTimeAsync(60_000);
    resolver.records.set('dlp.example', ['10.0.0.1']);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['10.0.0.1', 'failed: Error: getaddrinfo ENOTFOUND dlp.example', 'recovered']);
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
    expect(told).toEqual(['failed: Error: getaddrinfo ENOTFOUND dlp.example', 'recovered', '10.0.0.1']);
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

describe("the system's resolver", () => {
  test.each([
    { name: 'the shortest of all records counts', v4: [300, 60], v6: [90], ttlMs: 60_000 },
    { name: 'one family is enough', v4: undefined, v6: [20], ttlMs: 20_000 },
    { name: 'a TTL of 0 is one', v4: [0], v6: undefined, ttlMs: 0 },
    { name: 'without records there is none', v4: undefined, v6: undefined, ttlMs: undefined },
  ])('reads the TTL from DNS: $name', async ({ v4, v6, ttlMs }) => {
    const answer = (ttls: readonly number[] | undefined) => async () => {
      if (ttls === undefined) throw Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' });
      return ttls.map((ttl) => ({ address: '192.0.2.1', ttl }));
    };
    using _v4 = vi.spyOn(DnsResolver.prototype, 'resolve4').mockImplementation(answer(v4) as never);
    using _v6 = vi.spyOn(DnsResolver.prototype, 'resolve6').mockImplementation(answer(v6) as never);
    expect(await createSystemResolver().ttlMs('dlp.example')).toBe(ttlMs);
  });

  test('knows localhost from the hosts file', async () => {
    const addresses = await createSystemResolver().addresses('localhost');
    for (const address of addresses) expect(['127.0.0.1', '::1']).toContain(address);
    expect(addresses).not.toEqual([]);
  });
});
