import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { IcapAccess } from '../../src/observe/access-record.ts';
import { squidLine } from '../../src/observe/squid-line.ts';
import { SAMPLE_ICAP_ACCESS } from '../_util/observe-record.ts';

const COLUMNS = 20;

function lineOf(change: Partial<IcapAccess> = {}): string {
  return squidLine({ ...SAMPLE_ICAP_ACCESS, ...change });
}

/** The columns by their place in the guide's logformat, from 1; `%tl` is two of them. */
function column(place: number, change: Partial<IcapAccess>): string | undefined {
  return lineOf(change).split(/ +/)[place];
}

describe('a line in the layout of squid', () => {
  const zone = process.env['TZ'];
  beforeEach(() => {
    process.env['TZ'] = 'Asia/Kolkata';
  });
  afterEach(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  test('has what squid 5.7 wrote for the same transaction', () => {
    expect(lineOf()).toBe(
      '21/Nov/2026:04:59:14 +0530      0 POST http://host/s.conf? /s.conf?a=1&b=%20x     12 192.0.2.7 ICAP_SAT/200 REQMOD ' +
        'icap://127.0.0.1:13990/echo dom\\alice dlp-1 1167 1326 1023 ' +
        'Host:%20127.0.0.1:13990%0D%0AAllow:%20204,%20trailers%0D%0A ' +
        'ISTag:%20%22CI0001-XXXXXXXXX%22%0D%0AEncapsulated:%20res-hdr=0,%20res-body=254%0D%0A 12 12',
    );
  });

  test('has a dash for what there is not', () => {
    const nothing = {
      ...{ method: 'OPTIONS', http: undefined, httpStatus: undefined, verdict: undefined, user: undefined },
      ...{ backend: undefined, clientIp: undefined, squid: undefined, ms: 1_234_567 },
    };
    expect(lineOf(nothing)).toBe(
      '21/Nov/2026:04:59:14 +0530      0 - - - 1234567 192.0.2.1 ICAP_OPT/200 OPTIONS /echo - - 1167 1326 - - - 1234567 1234567',
    );
  });

  test.each<[string, Partial<IcapAccess>]>([
    ['ICAP_ECHO/204', { status: 204, verdict: 'allowed', httpStatus: undefined }],
    ['ICAP_ECHO/204', { status: 204, verdict: 'bypassed', httpStatus: undefined }],
    ['ICAP_PART_ECHO/206', { status: 206, verdict: 'modified' }],
    ['ICAP_MOD/200', { method: 'REQMOD', verdict: 'modified', httpStatus: undefined }],
    ['ICAP_MOD/200', { method: 'RESPMOD', verdict: 'blocked', httpStatus: 403 }],
    ['ICAP_SAT/200', { method: 'REQMOD', verdict: 'blocked', httpStatus: 403 }],
    ['ICAP_ERR_OTHER/503', { status: 503, verdict: 'error', httpStatus: undefined }],
    ['ICAP_ERR_OTHER/000', { status: undefined, verdict: 'error', httpStatus: undefined }],
    ['ICAP_ERR_GONE/000', { status: undefined, verdict: 'aborted', reason: 'client-reset', httpStatus: undefined }],
    ['ICAP_ERR_OTHER/200', { verdict: 'aborted', reason: 'backend-abort' }],
  ])('says %s', (outcome, change) => {
    expect(column(8, change)).toBe(outcome);
  });

  test.each([
    ['CONNECT host:443', 'host:443', 'host:443'],
    ['GET http://host', 'http://host', '/'],
    ['GET /x', '/x', '/x'],
    ['GET http://u:p@host/x?token=abc', 'http://host/x?', '/x?token=***'],
  ])('shows %s as URL and path, without credentials', (http, url, path) => {
    expect([column(4, { http }), column(5, { http })]).toEqual([url, path]);
  });

  test('shows an IPv6 client without its port', () => {
    expect(column(7, { clientIp: undefined, client: '[2001:db8::1]:40820' })).toBe('2001:db8::1');
  });

  test('is one line with its columns, whatever a client sends', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(text, (hostile) => {
        const line = lineOf({
          ...{ method: hostile, http: hostile, path: hostile, user: hostile, clientIp: hostile },
          squid: { uri: hostile, requestHeaders: hostile, responseHeaders: hostile, responseBodyBytes: undefined },
        });
        expect(line).toMatch(/^[\x20-\x7e]+$/);
        expect(line.split(/ +/)).toHaveLength(COLUMNS);
      }),
      { seed: 42, numRuns: 500 },
    );
    expect(lineOf({ user: 'x'.repeat(100_000) }).length).toBeLessThan(4096);
  });
});
