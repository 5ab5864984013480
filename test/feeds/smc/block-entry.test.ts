import { expect, test } from 'vitest';
import { entryBatch, MAX_ADDRESSES, MAX_ENTRIES } from '../../../src/feeds/smc/block-entry.ts';

test('an address is blocked as destination and as source, alone', () => {
  const { body } = entryBatch([{ address: '198.51.100.0', untilMs: 3_600_000 }], 0);
  expect(JSON.parse(body)).toEqual({
    entries: [
      {
        end_point1: { address_mode: 'any' },
        end_point2: { address_mode: 'address', ip_network: '198.51.100.0/32' },
        duration: 3600,
      },
      {
        end_point1: { address_mode: 'address', ip_network: '198.51.100.0/32' },
        end_point2: { address_mode: 'any' },
        duration: 3600,
      },
    ],
  });
});

test('an IPv6 address has 128 bits', () => {
  const { body } = entryBatch([{ address: '2001:db8::1', untilMs: 1000 }], 0);
  expect(JSON.parse(body).entries[0].end_point2.ip_network).toBe('2001:db8::1/128');
});

test.each([
  [1, 1],
  [1000, 1],
  [1001, 2],
  [2_400_000, 2400],
])('%i ms that are left are %i s', (leftMs, seconds) => {
  const nowMs = 1_767_225_600_123;
  const batch = entryBatch([{ address: '192.0.2.1', untilMs: nowMs + leftMs }], nowMs);
  expect(JSON.parse(batch.body).entries[0].duration).toBe(seconds);
  expect(batch.orders[0]?.heldUntilMs).toBe(nowMs + seconds * 1000);
});

test('as many addresses as may be are as many entries as may be', () => {
  const orders = Array.from({ length: MAX_ADDRESSES }, (_, at) => ({ address: `192.0.2.${at}`, untilMs: 1000 }));
  expect(JSON.parse(entryBatch(orders, 0).body).entries).toHaveLength(MAX_ENTRIES);
});
