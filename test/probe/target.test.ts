import { describe, expect, test } from 'vitest';
import { authorityOf, parseProbeTarget, uriOf } from '../../src/probe/target.ts';

describe('targets', () => {
  test.each([
    ['icap://h', { scheme: 'icap', host: 'h', port: 1344, path: undefined }],
    ['icaps://h', { scheme: 'icaps', host: 'h', port: 11_344, path: undefined }],
    ['icap://h/', { scheme: 'icap', host: 'h', port: 1344, path: '/' }],
    ['icap://10.0.0.5:99/av/reqmod?x=y', { scheme: 'icap', host: '10.0.0.5', port: 99, path: '/av/reqmod?x=y' }],
    ['icaps://[2001:db8::1]:443/x', { scheme: 'icaps', host: '2001:db8::1', port: 443, path: '/x' }],
  ])('%s', (text, target) => {
    expect(parseProbeTarget(text)).toEqual(target);
  });

  test.each(['h', 'h:1344', 'http://h/', 'icap://', 'icap://h:0/', ''])('%j is none', (text) => {
    expect(parseProbeTarget(text)).toBeUndefined();
  });

  test('an IPv6 address is put in brackets again', () => {
    const target = parseProbeTarget('icap://[::1]/x');
    if (target === undefined) throw new Error('not a target');
    expect(authorityOf(target)).toBe('[::1]:1344');
    expect(uriOf(target, '/a?b?c')).toBe('icap://[::1]:1344/a?b?c');
  });
});
