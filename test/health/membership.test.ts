import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import type { Address, BackendConfig } from '../../src/config/config.ts';
import { type AddressedMember, countSlots, startMembership } from '../../src/health/membership.ts';
import { scriptResolver } from '../_util/health-resolver.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function backend(host: string, address: Address = { kind: 'tcp', host, port: 1344 }): BackendConfig {
  const addressText = address.kind === 'unix' ? `unix:${address.path}` : `${host}:1344`;
  return { name: host, address, addressText, weight: 3, priority: 1, maxConnections: 7, tls: undefined };
}

function start(backends: readonly BackendConfig[], records: Readonly<Record<string, readonly string[]>> = {}) {
  const state = PoolState.create(countSlots(backends), 1);
  const resolver = scriptResolver(records);
  const rounds: (readonly AddressedMember[])[] = [];
  const told: string[] = [];
  const membership = startMembership({
    ...{ backends, state, resolver },
    onMembers: (members) => rounds.push(members),
    onIgnored: ({ name }, addresses) => told.push(`${name} ignores ${addresses.join(' ')}`),
    onResolveFailure: ({ name }) => told.push(`${name} fails`),
    onResolveRecovery: ({ name }) => told.push(`${name} recovers`),
  });
  const seats = () => (rounds.at(-1) ?? []).map(({ slot, addressText }) => `${slot} ${addressText}`);
  return { state, resolver, rounds, told, membership, seats };
}

describe('the members of a service', () => {
  test('a literal address is one member, at once', () => {
    const { membership, rounds, resolver } = start([backend('10.0.0.5')]);
    using _membership = membership;
    expect(rounds).toEqual([
      [
        {
          ...{ slot: 0, backend: 0, priority: 1, weight: 3, maxConnections: 7, key: '10.0.0.5 10.0.0.5:1344' },
          ...{ backendName: '10.0.0.5', address: { kind: 'tcp', host: '10.0.0.5', port: 1344 } },
          addressText: '10.0.0.5:1344',
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
    expect(told).toEqual(['dlp.example ignores 10.0.0.26 10.0.0.27']);
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

  test('disposing stops all names', async () => {
    const { membership } = start([backend('a.example'), backend('b.example')], { 'a.example': ['10.0.0.1'] });
    await membership.settled;
    await vi.advanceTimersByTimeAsync(0);
    membership[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});
