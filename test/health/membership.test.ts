import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import { formatAddress } from '../../src/config/address.ts';
import type { BackendAddress, BackendConfig } from '../../src/config/config.ts';
import { type AddressedMember, countSlots, type Membership, startMembership } from '../../src/health/membership.ts';
import { scriptResolver, srvTarget } from '../_util/health-resolver.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function backend(host: string, address: BackendAddress = { kind: 'tcp', host, port: 1344 }): BackendConfig {
  return {
    name: host,
    address,
    addressText: formatAddress(address),
    weight: 3,
    priority: 1,
    maxConnections: 7,
    tls: undefined,
  };
}

function start(
  backends: readonly BackendConfig[],
  records: Readonly<Record<string, readonly string[]>> = {},
  { earlier, targets = [] }: { readonly earlier?: Membership; readonly targets?: readonly string[] } = {},
) {
  const state = PoolState.create(countSlots(backends), 1);
  const resolver = scriptResolver(records);
  resolver.services.set('_icap._tcp.example', targets.map(srvTarget));
  const rounds: (readonly AddressedMember[])[] = [];
  const told: string[] = [];
  const membership = startMembership({
    ...{ backends, state, resolver, earlier },
    onMembers: (members) => rounds.push(members),
    onIgnored: ({ name }, addresses) => told.push(`${name} ignores ${addresses.join(' ')}`),
    onResolveFailure: ({ name }) => told.push(`${name} fails`),
    onResolveRecovery: ({ name }) => told.push(`${name} recovers`),
  });
  const seats = () => (rounds.at(-1) ?? []).map(({ slot, addressText }) => `${slot} ${addressText}`);
  return { state, resolver, rounds, told, membership, seats };
}

const SRV = backend('farm', { kind: 'srv', name: '_icap._tcp.example' });

describe('the members of a service', () => {
  test('a literal address is one member, at once', () => {
    const { membership, rounds, resolver } = start([backend('10.0.0.5')]);
    using _membership = membership;
    expect(rounds).toEqual([
      [
        {
          ...{ slot: 0, backend: 0, priority: 1, weight: 3, maxConnections: 7, key: '10.0.0.5 10.0.0.5:1344' },
          ...{ backendName: '10.0.0.5', address: { kind: 'tcp', host: '10.0.0.5', port: 1344 } },
          ...{ addressText: '10.0.0.5:1344', hostName: '10.0.0.5', authority: '10.0.0.5:1344' },
        },
      ],
    ]);
    expect(resolver.asked).toEqual([]);
  });

  test.each([
    { backends: [backend('10.0.0.5')], slots: 1 },
    { backends: [backend('2001:db8::5')], slots: 1 },
    { backends: [backend('dlp', { kind: 'unix', path: '/run/dlp.sock' })], slots: 1 },
    { backends: [backend('dlp.example')], slots: 16 },
    { backends: [SRV], slots: 16 },
    { backends: [backend('10.0.0.5'), backend('dlp.example'), backend('10.0.0.6')], slots: 18 },
  ])('literal addresses take one slot, names sixteen: $slots', ({ backends, slots }) => {
    expect(countSlots(backends)).toBe(slots);
  });

  test('every address of a name is a member, in the slots of its backend', async () => {
    const { membership, seats, rounds } = start(
      [backend('10.0.0.5'), backend('dlp.example'), backend('dlp', { kind: 'unix', path: '/run/dlp.sock' })],
      { 'dlp.example': ['2001:db8::1', '10.0.0.1'] },
    );
    using _membership = membership;
    expect(seats()).toEqual(['0 10.0.0.5:1344', '17 unix:/run/dlp.sock']);
    await membership.settled;
    expect(seats()).toEqual(['0 10.0.0.5:1344', '1 10.0.0.1:1344', '2 [2001:db8::1]:1344', '17 unix:/run/dlp.sock']);
    expect(rounds.at(-1)?.map(({ backend: index }) => index)).toEqual([0, 1, 1, 2]);
  });

  test('an address keeps its slot, and a new one does not take a slot that still carries connections', async () => {
    const { membership, seats, resolver, state } = start([backend('dlp.example')], {
      'dlp.example': ['10.0.0.1', '10.0.0.2'],
    });
    using _membership = membership;
    await membership.settled;
    state.acquire(0, 0, 0);
    resolver.records.set('dlp.example', ['10.0.0.2', '10.0.0.3']);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(seats()).toEqual(['1 10.0.0.2:1344', '2 10.0.0.3:1344']);
  });

  test('addresses beyond the sixteenth are named and not used', async () => {
    const addresses = Array.from({ length: 18 }, (_, i) => `10.0.0.${10 + i}`);
    const { membership, told, rounds } = start([backend('dlp.example')], { 'dlp.example': addresses });
    using _membership = membership;
    await membership.settled;
    expect(rounds.at(-1)).toHaveLength(16);
    expect(told).toEqual(['dlp.example ignores 10.0.0.26:1344 10.0.0.27:1344']);
  });

  test('a name that does not resolve leaves the others alone and comes in later', async () => {
    const { membership, told, seats, resolver } = start([backend('gone.example'), backend('dlp.example')], {
      'dlp.example': ['10.0.0.1'],
    });
    using _membership = membership;
    await membership.settled;
    expect(seats()).toEqual(['16 10.0.0.1:1344']);
    resolver.records.set('gone.example', ['10.0.0.9']);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(seats()).toEqual(['0 10.0.0.9:1344', '16 10.0.0.1:1344']);
    expect(told).toEqual(['gone.example fails', 'gone.example recovers']);
  });

  test('where names led before is told at once', async () => {
    const backends = [backend('10.0.0.5'), backend('dlp.example')];
    const before = start(backends, { 'dlp.example': ['10.0.0.1'] });
    using _before = before.membership;
    await before.membership.settled;
    const { membership, rounds, seats } = start(backends, {}, { earlier: before.membership });
    using _membership = membership;
    expect(rounds).toHaveLength(1);
    expect(seats()).toEqual(['0 10.0.0.5:1344', '1 10.0.0.1:1344']);
  });

  test('disposing stops all names', async () => {
    const { membership } = start([backend('a.example'), backend('b.example')], { 'a.example': ['10.0.0.1'] });
    await membership.settled;
    await vi.advanceTimersByTimeAsync(0);
    membership[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the members behind SRV records', () => {
  test('have priorities below the configured one, weights as shares of it, and the names of their targets', async () => {
    const records = { 'a.example': ['10.0.0.1'], 'b.example': ['2001:db8::2'] };
    const targets = ['10 30 a.example:1344', '10 10 b.example:1345', '20 0 b.example:1346'];
    const { membership, rounds } = start([SRV], records, { targets });
    using _membership = membership;
    await membership.settled;
    const told = rounds.at(-1)?.map(({ priority, weight, addressText, hostName, authority }) => {
      return [priority, weight, addressText, hostName, authority];
    });
    expect(told).toEqual([
      [1, 4.5, '10.0.0.1:1344', 'a.example', 'a.example:1344'],
      [1, 1.5, '[2001:db8::2]:1345', 'b.example', 'b.example:1345'],
      [1 + 1 / 64, 3, '[2001:db8::2]:1346', 'b.example', 'b.example:1346'],
    ]);
  });

  test('are others when their address is that of another target', async () => {
    const { membership, rounds, resolver } = start([SRV], { 'a.example': ['10.0.0.1'], 'b.example': ['10.0.0.1'] });
    using _membership = membership;
    for (const target of ['0 1 a.example:1344', '0 1 b.example:1344']) {
      resolver.services.set('_icap._tcp.example', [srvTarget(target)]);
      await vi.advanceTimersByTimeAsync(30_000);
    }
    const keys = rounds.flatMap((members) => members.map(({ key }) => key));
    expect(keys).toEqual(['farm a.example 10.0.0.1:1344', 'farm b.example 10.0.0.1:1344']);
  });

  test('beyond the sixteenth are those of the last priority', async () => {
    const records = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}.example`, [`10.0.0.${i}`]]));
    const targets = Object.keys(records).map((host, i) => `${i === 3 ? 9 : 0} 1 ${host}:1344`);
    const { membership, told } = start([SRV], records, { targets });
    using _membership = membership;
    await membership.settled;
    expect(told).toEqual(['farm ignores 10.0.0.3:1344']);
  });
});
