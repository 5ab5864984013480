import { expect, test } from 'vitest';
import { nearest } from '../../src/config/suggestion.ts';

const KEYS = ['listen', 'least-connections', 'min-version', 'client-auth', 'tls', 'timeouts'];

test.each([
  ['listen', 'listen'],
  ['timeout', 'timeouts'],
  ['minVersion', 'min-version'],
  ['min_version', 'min-version'],
  ['leastconn', 'least-connections'],
  ['TLS', 'tls'],
])('%s is taken for %s', (word, key) => {
  expect(nearest(word, KEYS)).toBe(key);
});

test.each(['foo', '', 'x', 'a'.repeat(100_000)])('no guess is made where none is near', (word) => {
  expect(nearest(word, KEYS)).toBeUndefined();
});
