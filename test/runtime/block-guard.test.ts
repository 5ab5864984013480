import { describe, expect, test } from 'vitest';
import { BlockGuard } from '../../src/runtime/block-guard.ts';

const guard = new BlockGuard(
  ['203.0.113.0/24', '192.0.2.7', '2001:db8:1::/48'],
  () => new Set(['10.0.0.5', '2001:db8::1']),
);

describe('the guard over what operators block', () => {
  test.each(['10.0.0.5', '10.0.0.0/8', '2001:db8::1', '2001:db8::/64'])(
    '%s is, or holds, one of our own',
    (network) => {
      expect(guard.objection(network)).toMatch(/^(10\.0\.0\.5|2001:db8::1) is the gateway's own/);
    },
  );

  test('an IPv6 address that leads to what may not be blocked may not be either', () => {
    expect(guard.objection('64:ff9b::a00:5')).toMatch(/^10\.0\.0\.5 is the gateway's own/);
    expect(guard.objection('2002:cb00:7109::1')).toContain('block-list.allow');
    expect(guard.objection('64:ff9b::a00:6')).toBeUndefined();
    expect(['64:ff9b::a00:5', '64:ff9b::cb00:7109', '64:ff9b::/96'].map((each) => guard.reasonAgainst(each))).toEqual([
      'own',
      'allowed',
      undefined,
    ]);
  });

  test.each(['203.0.113.9', '203.0.113.0/25', '203.0.0.0/16', '192.0.2.7', '192.0.2.0/24', '2001:db8:1:2::3'])(
    '%s is, or holds, what is allowed',
    (network) => {
      expect(guard.objection(network)).toContain('block-list.allow');
    },
  );

  test.each(['10.0.0.6', '10.0.0.8/30', '203.0.112.0/24', '192.0.2.8', '2001:db8:2::/48', '127.0.0.1'])(
    '%s may be blocked',
    (network) => {
      expect(guard.objection(network)).toBeUndefined();
    },
  );

  test('only what is allowed as a whole is lifted', () => {
    expect(['203.0.113.9', '203.0.113.0/24', '203.0.113.128/25', '192.0.2.7'].every((each) => guard.allows(each))).toBe(
      true,
    );
    expect(['203.0.112.0/23', '192.0.2.0/24', '10.0.0.5'].some((each) => guard.allows(each))).toBe(false);
  });

  test('what is exempt is everything that is allowed and our own, whole or in a network', () => {
    expect(['10.0.0.5', '203.0.113.128/25', '10.0.0.0/8', '10.0.0.6'].map((each) => guard.reasonAgainst(each))).toEqual(
      [...['own', 'allowed', undefined, undefined]],
    );
    expect(guard.exempt).toEqual(['203.0.113.0/24', '192.0.2.7', '2001:db8:1::/48', '10.0.0.5', '2001:db8::1']);
  });
});
