import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findBlockedParty, literalAddress } from '../../../src/gateway/icap/blocked-party.ts';
import { ClientRequest } from '../../../src/gateway/icap/client-request.ts';
import { DEFAULT_ICAP_LIMITS } from '../../../src/icap/limits.ts';
import { STRICT } from '../../../src/icap/profile.ts';
import { parseRequestHead } from '../../../src/icap/request-head.ts';
import { Blockade } from '../../../src/policy/blockade.ts';
import { NOBODY_BLOCKED } from '../../_util/nobody-blocked.ts';

const THREAT = 'guardduty:Backdoor:EC2/C&CActivity.B';
const ALL = new Blockade(
  {
    ...NOBODY_BLOCKED,
    addresses: [
      ['198.51.100.0', THREAT],
      ['2001:db8::1', THREAT],
    ],
  },
  ['peer', 'client-ip', 'target'],
);

/** A request with these ICAP fields, about this HTTP request. */
function requestWith(fields: readonly string[], http: readonly string[]): ClientRequest {
  const lines = ['RESPMOD icap://gw/x ICAP/1.0', 'Encapsulated: req-hdr=0, res-body=10', ...fields, '', ''];
  const head = parseRequestHead(Buffer.from(lines.join('\r\n'), 'latin1'), 0, STRICT, DEFAULT_ICAP_LIMITS);
  const request = new ClientRequest(head, 'RESPMOD');
  request.sections = [{ part: 'req-hdr', bytes: Buffer.from([...http, '', ''].join('\r\n'), 'latin1') }];
  return request;
}

describe('a request is blocked', () => {
  test.each([
    ['whose user is', ['X-Client-IP: 198.51.100.0'], 'GET http://example.com/ HTTP/1.1', 'client-ip'],
    ['whose user is, behind a proxy', ['X-Client-IP: 10.0.0.1, 198.51.100.0'], 'GET / HTTP/1.1', 'client-ip'],
    ['whose user has a long IPv6 address', ['X-Client-IP: 2001:DB8:0:0::0001'], 'GET / HTTP/1.1', 'client-ip'],
    ['whose user has a mapped address', ['X-Client-IP: ::ffff:198.51.100.0'], 'GET / HTTP/1.1', 'client-ip'],
    ['whose server is', ['X-Server-IP: 198.51.100.0'], 'GET http://example.com/ HTTP/1.1', 'target'],
    ['that goes to a URI with the address', [], 'GET http://198.51.100.0/x HTTP/1.1', 'target'],
    ['that goes to a number', [], 'GET http://3325256704/ HTTP/1.1', 'target'],
    ['that goes to hexadecimal', [], 'GET https://0xc6.0x33.0x64.0:8443/ HTTP/1.1', 'target'],
    ['that goes to an IPv6 address', [], 'POST http://[2001:db8::1]:8080/ HTTP/1.1', 'target'],
    ['that goes there with a user name', [], 'GET ftp://me:secret@198.51.100.0/ HTTP/1.1', 'target'],
    ['that goes there with a user name and a port', [], 'GET http://me:secret@198.51.100.0:80/ HTTP/1.1', 'target'],
    ['that goes there with an at sign in the password', [], 'GET http://me:a@b:c@198.51.100.0:80/ HTTP/1.1', 'target'],
    ['that goes to IPv6 with a user name', [], 'GET http://me:secret@[2001:db8::1]:80/ HTTP/1.1', 'target'],
    ['that goes there with fewer slashes', [], 'GET http:/198.51.100.0/ HTTP/1.1', 'target'],
    ['that goes there with more slashes', [], 'GET http:////198.51.100.0/ HTTP/1.1', 'target'],
    ['that goes to IPv6 with more slashes', [], 'GET https:///[2001:db8::1]:8443/ HTTP/1.1', 'target'],
    ['that goes there after a control character', [], 'GET \x01http://198.51.100.0/ HTTP/1.1', 'target'],
    ['that goes there with other slashes', [], 'GET http:\\\\198.51.100.0\\x HTTP/1.1', 'target'],
    [
      'whose second field names the user',
      ['X-Client-IP: 10.0.0.1', 'X-Client-IP: 198.51.100.0'],
      'GET / HTTP/1.1',
      'client-ip',
    ],
    [
      'whose second field names the server',
      ['X-Server-IP: 10.0.0.1', 'X-Server-IP: 198.51.100.0'],
      'GET / HTTP/1.1',
      'target',
    ],
    ['that goes there through NAT64', [], 'GET http://[64:ff9b::198.51.100.0]/ HTTP/1.1', 'target'],
    ['that asks for a tunnel through NAT64', [], 'CONNECT [64:ff9b::c633:6400]:443 HTTP/1.1', 'target'],
    ['whose user comes through the address by 6to4', ['X-Client-IP: 2002:c633:6400::1'], 'GET / HTTP/1.1', 'client-ip'],
    ['that goes there over another scheme', [], 'GET gopher://198.51.100.0:70/ HTTP/1.1', 'target'],
    ['that asks for a tunnel', [], 'CONNECT 198.51.100.0:443 HTTP/1.1', 'target'],
    ['that asks for a tunnel over IPv6', [], 'CONNECT [2001:db8::1]:443 HTTP/1.1', 'target'],
  ])('%s', (_, fields, line, level) => {
    const found = findBlockedParty(requestWith(fields, [line]), ALL);
    expect(found).toMatchObject({ level, threat: THREAT, address: expect.stringMatching(/^(198|2001)/) });
  });

  test('by its Host', () => {
    const request = requestWith([], ['GET /path HTTP/1.1', 'Host: 198.51.100.0:8080']);
    expect(findBlockedParty(request, ALL)).toEqual({ level: 'target', address: '198.51.100.0', threat: THREAT });
  });

  test.each([
    ['its second Host', 'GET / HTTP/1.1', ['Host: example.com', 'Host: 198.51.100.0']],
    ['its first Host of two', 'GET / HTTP/1.1', ['Host: 198.51.100.0', 'Host: example.com']],
    ['a Host beside the name of its URI', 'GET http://example.com/ HTTP/1.1', ['Host: 198.51.100.0']],
    ['its URI beside the name of a Host', 'GET http://198.51.100.0/ HTTP/1.1', ['Host: example.com']],
    ['a Host beside the name of its tunnel', 'CONNECT example.com:443 HTTP/1.1', ['Host: 198.51.100.0:443']],
    ['a Host of several', 'GET / HTTP/1.1', ['Host: example.com, 198.51.100.0']],
    ['a Host with a blank before the colon', 'GET / HTTP/1.1', ['Host : 198.51.100.0']],
    ['a Host on the next line', 'GET / HTTP/1.1', ['Host:', ' 198.51.100.0']],
    ['a URI with a blank in it', 'GET http://198.51.100.0/a b HTTP/1.1', []],
    ['a URI after two blanks', 'GET  http://198.51.100.0/  HTTP/1.1', []],
    ['a URI after an empty line', '\r\nGET http://198.51.100.0/ HTTP/1.1', []],
    ['a URI with a tab in it', 'GET ht\ttp://198.51.\t100.0/ HTTP/1.1', []],
    ['the URI of a tunnel', 'CONNECT http://198.51.100.0:443 HTTP/1.1', []],
    ['a tunnel in lower case', 'connect 198.51.100.0:443 HTTP/1.1', []],
  ])('by %s', (_, line, fields) => {
    expect(findBlockedParty(requestWith([], [line, ...fields]), ALL)).toMatchObject({ address: '198.51.100.0' });
  });
});

describe('a request passes', () => {
  test.each([
    [
      'from and to others',
      ['X-Client-IP: 198.51.100.1', 'X-Server-IP: 203.0.113.9'],
      'GET http://198.51.100.1/ HTTP/1.1',
    ],
    ['with the address as its path', [], 'GET /198.51.100.0/ HTTP/1.1'],
    ['with the address in its path only', [], 'GET http://example.com/198.51.100.0 HTTP/1.1'],
    ['to nowhere, with the address as its path', [], 'GET file:///198.51.100.0/ HTTP/1.1'],
    ['to a name that begins like it', [], 'GET http://198.51.100.0.example.com/ HTTP/1.1'],
    ['with nonsense for addresses', ['X-Client-IP: unknown', 'X-Server-IP: ?'], 'GARBAGE'],
    ['without any', [], 'GET / HTTP/1.1'],
  ])('%s', (_, fields, line) => {
    expect(findBlockedParty(requestWith(fields, [line]), ALL)).toBeUndefined();
  });

  test('where the level is not enforced', () => {
    const peers = new Blockade({ ...NOBODY_BLOCKED, addresses: [['198.51.100.0', THREAT]] }, ['peer']);
    const request = requestWith(['X-Client-IP: 198.51.100.0'], ['GET http://198.51.100.0/ HTTP/1.1']);
    expect(findBlockedParty(request, peers)).toBeUndefined();
  });
});

test('an address has one spelling, and any text has one or none', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = literalAddress(text);
      expect(address).toBeDefined();
      expect(literalAddress(`[${text}]:443`)).toBe(address);
    }),
    { seed: 7, numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const address = literalAddress(text);
      if (address !== undefined) expect(literalAddress(address)).toBe(address);
    }),
    { seed: 7, numRuns: 1000 },
  );
});
