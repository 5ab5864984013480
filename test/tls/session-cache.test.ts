import { expect, test } from 'vitest';
import { type RememberedSession, SessionCache } from '../../src/tls/session-cache.ts';

function sessionFrom(startedMs: number): RememberedSession {
  return {
    session: Buffer.from('session'),
    startedMs,
    verifyCode: undefined,
    certificate: undefined,
    hasProvedKey: false,
  };
}

test('a session is offered until its time since the full handshake is over', () => {
  const cache = new SessionCache(1000);
  const session = sessionFrom(5000);
  cache.remember('a', session);
  expect(cache.find('a', 5999)).toBe(session);
  expect(cache.find('b', 5999)).toBeUndefined();
  expect(cache.find('a', 6000)).toBeUndefined();
  // It is gone for good, whatever the clock says next.
  expect(cache.find('a', 5999)).toBeUndefined();
});

test('a clock that was set back ends it', () => {
  const cache = new SessionCache(1000);
  cache.remember('a', sessionFrom(5000));
  expect(cache.find('a', 4999)).toBeUndefined();
});

test('one that failed is forgotten', () => {
  const cache = new SessionCache(1000);
  cache.remember('a', sessionFrom(5000));
  cache.forget('a');
  expect(cache.find('a', 5000)).toBeUndefined();
});

test('of many places those of long ago are forgotten', () => {
  const cache = new SessionCache(1000);
  for (let place = 0; place < 65; place += 1) cache.remember(String(place), sessionFrom(0));
  expect(cache.find('0', 1)).toBeUndefined();
  expect(cache.find('1', 1)).toBeDefined();
  expect(cache.find('64', 1)).toBeDefined();
});

test('a place that broke off over one is offered none for as long as one would last', () => {
  const cache = new SessionCache(1000);
  cache.remember('a', sessionFrom(5000));
  cache.refuse('a', 5000);
  cache.remember('a', sessionFrom(5500));
  cache.remember('b', sessionFrom(5500));
  expect(cache.find('a', 5999)).toBeUndefined();
  expect(cache.find('b', 5999)).toBeDefined();
  expect(cache.find('a', 6000)).toBeDefined();
});
