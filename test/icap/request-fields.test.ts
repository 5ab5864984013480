import { describe, expect, test } from 'vitest';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { STRICT } from '../../src/icap/profile.ts';
import { createRequestFields, type HeaderRules, type OutgoingRequest } from '../../src/icap/request-fields.ts';
import { parseRequestHead } from '../../src/icap/request-head.ts';

const NO_RULES: HeaderRules = { set: {}, strip: [], map: {}, clientIp: 'keep', own: [] };
const OUT: OutgoingRequest = {
  authority: 'dlp:1344',
  preview: undefined,
  allow204: false,
  allow206: false,
  clientIp: '192.0.2.7',
  lines: '',
};

function linesFor(fields: readonly string[], rules: Partial<HeaderRules> = {}, out: Partial<OutgoingRequest> = {}) {
  const lines = ['REQMOD icap://gw/x ICAP/1.0', ...fields, 'Encapsulated: null-body=0', '', ''];
  const head = parseRequestHead(Buffer.from(lines.join('\r\n'), 'latin1'), 0, STRICT, DEFAULT_ICAP_LIMITS);
  const text = createRequestFields({ ...NO_RULES, ...rules })(head, { ...OUT, ...out });
  expect(text.endsWith('\r\n')).toBe(true);
  return text.slice(0, -2).split('\r\n');
}

describe('what the gateway says itself', () => {
  test('Host is the backend, whatever the client asked for', () => {
    expect(linesFor(['Host: gw:11344'])).toEqual(['Host: dlp:1344']);
    expect(linesFor([])).toEqual(['Host: dlp:1344']);
  });

  test.each([
    { out: { allow204: true }, lines: ['Allow: 204'] },
    { out: { allow206: true }, lines: ['Allow: 206'] },
    { out: { allow204: true, allow206: true }, lines: ['Allow: 204, 206'] },
    { out: { preview: 0 }, lines: ['Preview: 0'] },
    { out: { allow204: true, preview: 1024 }, lines: ['Allow: 204', 'Preview: 1024'] },
    { out: {}, lines: [] },
  ])('$lines for $out', ({ out, lines }) => {
    expect(linesFor(['Allow: 204, 206, trailers', 'Preview: 30'], {}, out)).toEqual(['Host: dlp:1344', ...lines]);
  });
});

describe('fields of the client', () => {
  test('keep their order, their spelling, their bytes and their number', () => {
    const fields = ['x-client-ip: 10.0.0.1', 'X-Foo: \xe9\xa0', 'Date: now', 'X-FOO: 2', 'X-Empty: '];
    expect(linesFor(fields)).toEqual(['Host: dlp:1344', ...fields]);
  });

  test('that Connection names concern that connection alone, and do not go on', () => {
    const fields = ['X-Hop: 1', 'Connection: keep-alive, x-HOP', 'x-second: 2', 'Connection: X-Second', 'X-Kept: 3'];
    expect(linesFor(fields).slice(1)).toEqual(['X-Kept: 3']);
    expect(linesFor(['X-Hop: 1', 'Connection: close']).slice(1)).toEqual(['X-Hop: 1']);
  });

  test('credentials for the ICAP server go on: RFC 3507 4.4.2 puts them here', () => {
    const fields = ['Authorization: Basic x', 'Proxy-Authorization: Basic y'];
    expect(linesFor(fields).slice(1)).toEqual(fields);
  });

  test.each([
    'Connection: keep-alive',
    'CONNECTION: Upgrade',
    'Keep-Alive: 5',
    'Upgrade: TLS/1.0',
    'Content-Length: 5',
    'TE: trailers',
    'Trailer: X-A',
    'Proxy-Connection: keep-alive',
  ])('%s stays on the connection it came on', (field) => {
    expect(linesFor([field])).toEqual(['Host: dlp:1344']);
  });
});

describe('rules', () => {
  test('set replaces what the client says, under any spelling', () => {
    const rules = { set: { 'X-Api-Key': 'secret', 'X-Site': 'Zürich' } };
    expect(linesFor(['x-api-key: mine', 'X-API-KEY: too', 'X-A: 1'], rules)).toEqual([
      'Host: dlp:1344',
      'X-A: 1',
      'X-Api-Key: secret',
      'X-Site: Z\xc3\xbcrich',
    ]);
  });

  test('strip takes fields out', () => {
    expect(linesFor(['Proxy-Authorization: Basic x', 'X-A: 1'], { strip: ['PROXY-Authorization'] })).toEqual([
      'Host: dlp:1344',
      'X-A: 1',
    ]);
  });

  test('client-ip set tells the address of the TLS peer', () => {
    expect(linesFor(['X-CLIENT-IP: 1.1.1.1'], { clientIp: 'set' })).toEqual([
      'Host: dlp:1344',
      'X-Client-IP: 192.0.2.7',
    ]);
    expect(linesFor(['X-Client-IP: 1.1.1.1'], { clientIp: 'set' }, { clientIp: undefined })).toHaveLength(1);
    expect(linesFor(['X-Client-IP: 1.1.1.1'], { clientIp: 'keep' })[1]).toBe('X-Client-IP: 1.1.1.1');
  });

  test('an X-Client-IP that is set by name is the only one', () => {
    expect(linesFor([], { clientIp: 'set', set: { 'x-client-ip': '10.9.9.9' } })).toEqual([
      'Host: dlp:1344',
      'x-client-ip: 10.9.9.9',
    ]);
  });

  test('map renames in place', () => {
    expect(linesFor(['X-A: 1', 'x-from: v', 'X-B: 2'], { map: { 'X-From': 'X-To' } }).slice(1)).toEqual([
      'X-A: 1',
      'X-To: v',
      'X-B: 2',
    ]);
  });

  test("a renamed field takes the place of the client's own of that name", () => {
    const rules = { map: { 'X-From': 'X-To' } };
    expect(linesFor(['X-To: old', 'X-From: v'], rules).slice(1)).toEqual(['X-To: v']);
    expect(linesFor(['X-To: old'], rules).slice(1)).toEqual(['X-To: old']);
    expect(linesFor(['X-To: old', 'X-From:'], rules).slice(1)).toEqual(['X-To: old']);
  });

  test('a field that is both set and a target of map is set', () => {
    const rules = { set: { 'X-To': 'fixed' }, map: { 'X-From': 'X-To' } };
    expect(linesFor(['X-From: v'], rules).slice(1)).toEqual(['X-To: fixed']);
  });

  test('strip acts on what the client sent, not on what map makes', () => {
    expect(linesFor(['X-To: forged', 'X-From: v'], { strip: ['X-To'], map: { 'X-From': 'X-To' } }).slice(1)).toEqual([
      'X-To: v',
    ]);
    expect(linesFor(['X-From: v'], { strip: ['X-From'], map: { 'X-From': 'X-To' } }).slice(1)).toEqual([]);
  });

  test('a user becomes what DLP servers read', () => {
    const rules = { map: { 'X-Client-Username': 'x-authenticated-user' } };
    expect(linesFor(['X-Client-Username: MYDOMAIN\\user1'], rules)[1]).toBe(
      'x-authenticated-user: V2luTlQ6Ly9NWURPTUFJTi91c2VyMQ==',
    );
  });

  test.each([
    { set: { 'X-A': 'a\r\nX-B: b' } },
    { set: { 'X A': 'a' } },
    { set: { Encapsulated: 'null-body=0' } },
    { set: { connection: 'close' } },
    { map: { 'X-A': 'X-B\r\nX-C' } },
  ])('rules that would break the message are a programming error: $set $map', (rules) => {
    expect(() => createRequestFields({ ...NO_RULES, ...rules } as HeaderRules)).toThrow(TypeError);
  });
});

describe("what is the gateway's own", () => {
  const rules = { own: ['X-Id', 'traceparent'] };
  const out = { lines: 'X-Id: gw\r\n' };

  test('takes the place of what the client wrote, in any spelling and number', () => {
    const lines = linesFor(['x-id: a', 'X-A: 1', 'X-ID: b', 'Traceparent: c'], rules, out);
    expect(lines).toEqual(['Host: dlp:1344', 'X-A: 1', 'X-Id: gw']);
  });

  test('is nothing that another field can be renamed to', () => {
    expect(linesFor(['X-B: b'], { ...rules, map: { 'X-B': 'x-id' } }, out)).toEqual(['Host: dlp:1344', 'X-Id: gw']);
  });
});
