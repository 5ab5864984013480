import { describe, expect, test } from 'vitest';
import { deriveTicketKeys } from '../../src/tls/ticket-keys.ts';

const secret = new Uint8Array(32).fill(1);
const derive = (service = 'icap', policyHash = 'aa', epoch = 1, from = secret) =>
  deriveTicketKeys({ secret: from, epoch }, service, policyHash);

describe('ticket keys', () => {
  test('have the sizes that node:tls and OpenSSL take', () => {
    const { keys, sessionIdContext } = derive();
    expect(keys).toHaveLength(48);
    expect(sessionIdContext).toMatch(/^[0-9a-f]{32}$/);
  });

  test('are the same in every worker', () => {
    expect(derive()).toEqual(derive());
  });

  test.each([
    ['service', derive('other')],
    ['policy', derive('icap', 'bb')],
    ['epoch', derive('icap', 'aa', 2)],
    ['secret', derive('icap', 'aa', 1, new Uint8Array(32).fill(2))],
    ['border between service and policy', derive('ica', 'paa')],
    ['quoting of the service', derive('icap","aa', '')],
  ])('another %s gives others', (_, other) => {
    expect(other.keys.equals(derive().keys)).toBe(false);
    expect(other.sessionIdContext).not.toBe(derive().sessionIdContext);
  });

  test('do not show in the context, which goes over the wire in tickets', () => {
    const { keys, sessionIdContext } = derive();
    expect(keys.toString('hex')).not.toContain(sessionIdContext);
  });
});
