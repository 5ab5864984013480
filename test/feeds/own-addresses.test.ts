import { expect, test, vi } from 'vitest';
import { OwnAddresses, type OwnAddressesOptions } from '../../src/feeds/own-addresses.ts';
import { createFeedClock } from '../_util/feed-clock.ts';

function own(options: Partial<OwnAddressesOptions>): { own: OwnAddresses; clock: ReturnType<typeof createFeedClock> } {
  const clock = createFeedClock();
  const resolve = (): Promise<never> => Promise.reject(new Error('no such name'));
  const created = new OwnAddresses({
    hosts: [],
    others: () => [],
    clock,
    resolve,
    interfaces: () => ['192.0.2.50', 'fe80::2%eth0'],
    ...options,
  });
  return { own: created, clock };
}

test('literals are taken in their one spelling', () => {
  using addresses = own({ hosts: ['192.0.2.1', '::ffff:192.0.2.2', '2001:DB8::1', 'fe80::1%lo'] }).own;
  expect([...addresses.current()].sort()).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1', 'fe80::1']);
});

test('what is reached through NAT64 is the IPv4 address too', async () => {
  using addresses = own({ hosts: ['dlp.example'], resolve: async () => ['64:ff9b::c000:207'] }).own;
  await addresses.start();
  expect([...addresses.current()]).toEqual(['64:ff9b::c000:207', '192.0.2.7']);
});

test.each(['', '0.0.0.0', '::'])('a listener on "%s" has the address of every interface', (host) => {
  using addresses = own({ hosts: [host] }).own;
  expect([...addresses.current()]).toEqual(expect.arrayContaining(['192.0.2.50', 'fe80::2']));
});

test('a listener on one address has no other', () => {
  using addresses = own({ hosts: ['192.0.2.1'] }).own;
  expect([...addresses.current()]).toEqual(['192.0.2.1']);
});

test('names stand for what they resolve to, and keep it when they no longer resolve', async () => {
  const resolve = vi.fn(async (_name: string) => ['192.0.2.7', '::ffff:192.0.2.8']);
  const { own: addresses, clock } = own({ hosts: ['smc.example', 'smc.example'], resolve });
  using _ = addresses;
  await addresses.start();
  expect(resolve.mock.calls).toEqual([['smc.example']]);
  expect([...addresses.current()]).toEqual(['192.0.2.7', '192.0.2.8']);
  resolve.mockResolvedValueOnce(['192.0.2.9']);
  clock.advance(30_000);
  await vi.waitFor(() => expect([...addresses.current()]).toEqual(['192.0.2.9']));
  resolve.mockRejectedValueOnce(new Error('SERVFAIL'));
  clock.advance(30_000);
  await vi.waitFor(() => expect(resolve).toHaveBeenCalledTimes(3));
  expect([...addresses.current()]).toEqual(['192.0.2.9']);
});

test('what others keep is seen when it changes', () => {
  let backends = ['192.0.2.1'];
  const { own: addresses, clock } = own({ others: () => backends });
  using _ = addresses;
  expect([...addresses.current()]).toEqual(['192.0.2.1']);
  backends = ['192.0.2.2'];
  clock.advance(5000);
  expect([...addresses.current()]).toEqual(['192.0.2.2']);
});
