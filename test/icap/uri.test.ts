import { describe, expect, test } from 'vitest';
import { formatIcapUri, parseIcapUri } from '../../src/icap/uri.ts';

describe('ICAP URIs', () => {
  test.each([
    ['icap://h', 'icap://h/'],
    ['icap://h?a=b', 'icap://h/?a=b'],
    ['ICAP://Host.Example:1344/AV', 'icap://host.example:1344/AV'],
    ['icaps://[2001:DB8::1]:11344/x', 'icaps://[2001:db8::1]:11344/x'],
    ['icap://h:/x', 'icap://h/x'],
    ['icap://user:secret@h/x#frag', 'icap://h/x'],
    ['icap://h//av///reqmod', 'icap://h/av/reqmod'],
    ['icap://h/av/../reqmod', 'icap://h/reqmod'],
    ['icap://h/../../etc/passwd', 'icap://h/etc/passwd'],
    ['icap://h/%2e%2E/x', 'icap://h/x'],
    ['icap://h/av/./', 'icap://h/av/'],
    ['icap://h/av/.', 'icap://h/av/'],
    ['icap://h/av/..', 'icap://h/'],
    ['icap://h/av/x/..', 'icap://h/av/'],
    ['icap://h:65535/x', 'icap://h:65535/x'],
    ['icap://h/a%2fb%7e', 'icap://h/a%2Fb~'],
    ['icap://h/x?next=../%2e//', 'icap://h/x?next=../%2e//'],
  ])('%s is %s', (text, canonical) => {
    expect(formatIcapUri(parseIcapUri(text, 0))).toBe(canonical);
  });

  test.each([
    '',
    '/x',
    'h/x',
    'icap:/h/x',
    'icap:///x',
    'http://h/',
    'icap://h:65536/',
    'icap://h:0/',
    'icap://h:1344x/',
    'icap://h/\xe9',
  ])('%j is refused at its place', (text) => {
    const refusal = expect.objectContaining({ code: 'ICAPGW_ICAP_BAD_START_LINE', offset: 7 });
    expect(() => parseIcapUri(text, 7)).toThrow(refusal);
  });
});
