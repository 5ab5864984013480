import { Resolver as DnsResolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createResolver } from '../../src/health/resolver.ts';

vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  networkInterfaces: vi.fn(),
}));

type Answer = readonly string[] | string;

/** `10.0.0.1 60` is an address with its TTL in seconds; a word alone is the code of a failure. */
function answering(answer: Answer) {
  return async (host: string) => {
    if (typeof answer === 'string') throw Object.assign(new Error(`query ${answer} ${host}`), { code: answer });
    return answer.map((record) => {
      const [address, ttl] = record.split(' ');
      return { address, ttl: Number(ttl) };
    });
  };
}

function script(v4: Answer, v6: Answer): void {
  vi.spyOn(DnsResolver.prototype, 'resolve4').mockImplementation(answering(v4) as never);
  vi.spyOn(DnsResolver.prototype, 'resolve6').mockImplementation(answering(v6) as never);
}

function hasIpv6(...addresses: readonly string[]): void {
  const of = (address: string) => ({ family: 'IPv6', internal: address === '::1', address }) as never;
  vi.mocked(networkInterfaces).mockReturnValue({ lo: [of('::1')], eth0: addresses.map(of) });
}

beforeEach(() => hasIpv6('2001:db8::7'));
afterEach(() => {
  vi.restoreAllMocks();
});

describe("the system's resolver", () => {
  const resolver = createResolver({ servers: [] });

  test.each<{ name: string; v4: Answer; v6: Answer; ttlMs: number | undefined }>([
    { name: 'the shortest of all records counts', v4: ['a 300', 'b 60'], v6: ['c 90'], ttlMs: 60_000 },
    { name: 'one family is enough', v4: 'ENOTFOUND', v6: ['c 20'], ttlMs: 20_000 },
    { name: 'a TTL of 0 is one', v4: ['a 0'], v6: 'ENODATA', ttlMs: 0 },
    { name: 'without records there is none', v4: 'ETIMEOUT', v6: 'ETIMEOUT', ttlMs: undefined },
  ])('has its TTL from DNS: $name', async ({ v4, v6, ttlMs }) => {
    script(v4, v6);
    expect(await (await resolver.addresses('localhost')).ttlMs()).toBe(ttlMs);
  });

  test('knows localhost from the hosts file', async () => {
    const { addresses, missing } = await resolver.addresses('localhost');
    for (const address of addresses) expect(['127.0.0.1', '::1']).toContain(address);
    expect([addresses.length > 0, missing]).toEqual([true, undefined]);
  });
});

describe('name servers of the configuration', () => {
  const resolver = createResolver({ servers: ['127.0.0.1:5353'] });

  test.each<{ name: string; v4: Answer; v6: Answer; found: object; ttlMs: number }>([
    {
      name: 'both families',
      ...{ v4: ['10.0.0.1 60'], v6: ['2001:db8::1 30'], ttlMs: 30_000 },
      found: { addresses: ['10.0.0.1', '2001:db8::1'], missing: undefined },
    },
    {
      name: 'one where there is no other',
      ...{ v4: 'ENODATA', v6: ['2001:db8::1 30'], ttlMs: 30_000 },
      found: { addresses: ['2001:db8::1'], missing: undefined },
    },
    {
      name: 'one where the other cannot be had, and say which',
      ...{ v4: 'ESERVFAIL', v6: ['2001:db8::1 30'], ttlMs: 30_000 },
      found: { addresses: ['2001:db8::1'], missing: 4 },
    },
    {
      name: 'IPv4 where IPv6 timed out',
      ...{ v4: ['10.0.0.1 60'], v6: 'ETIMEOUT', ttlMs: 60_000 },
      found: { addresses: ['10.0.0.1'], missing: 6 },
    },
  ])('give $name', async ({ v4, v6, found, ttlMs }) => {
    script(v4, v6);
    const answer = await resolver.addresses('dlp.example');
    expect(answer).toMatchObject(found);
    expect(await answer.ttlMs()).toBe(ttlMs);
  });

  test.each([
    { name: 'there is no such name', v4: 'ENOTFOUND', v6: 'ENOTFOUND', code: 'ENOTFOUND' },
    { name: 'one family cannot be had and the other is not there', v4: 'ENODATA', v6: 'ESERVFAIL', code: 'ESERVFAIL' },
  ])('fail where $name', async ({ v4, v6, code }) => {
    script(v4, v6);
    await expect(resolver.addresses('dlp.example')).rejects.toMatchObject({ code });
  });

  test.each([[], ['fe80::1']])('give no IPv6 address to a machine that has none (%s)', async (...own) => {
    hasIpv6(...own);
    script(['10.0.0.1 60'], ['2001:db8::1 30', '::1 30']);
    expect(await resolver.addresses('dlp.example')).toMatchObject({ addresses: ['10.0.0.1', '::1'] });
    script('ENODATA', ['2001:db8::1 30']);
    await expect(resolver.addresses('dlp.example')).rejects.toThrow(
      'has only IPv6 addresses, and this machine has none',
    );
  });
});

describe('SRV records', () => {
  const { targets } = createResolver({ servers: ['127.0.0.1:5353'] });
  const record = { name: 'dlp-1.example', port: 1344, priority: 10, weight: 60 };

  function scriptSrv(...records: readonly object[]): void {
    vi.spyOn(DnsResolver.prototype, 'resolveSrv').mockResolvedValue(records as never);
  }

  test('give targets', async () => {
    scriptSrv(record);
    expect(await targets('_icap._tcp.example')).toEqual([
      { host: 'dlp-1.example', port: 1344, priority: 10, weight: 60 },
    ]);
  });

  test.each([
    { name: 'says that there is no such service', wrong: { name: '' }, message: 'that there is no such service' },
    { name: 'has no port', wrong: { port: 0 }, message: 'leads to port 0 of dlp-1.example' },
    { name: 'leads to no host', wrong: { name: 'a b\r\nX: y' }, message: '"a b\\r\\nX: y", which is no host' },
    { name: 'leads to an address', wrong: { name: '10.0.0.1' }, message: 'which is no host' },
  ])('fail as a whole when one of them $name', async ({ wrong, message }) => {
    scriptSrv(record, { ...record, ...wrong });
    await expect(targets('_icap._tcp.example')).rejects.toThrow(message);
  });
});
