import { describe, expect, test } from 'vitest';
import type { HeaderPart, Section } from '../../src/icap/encapsulated.ts';
import { type JudgedExchange, judge } from '../../src/icap/verdict.ts';

const ASKED = 'POST /form HTTP/1.1\r\nHost: www\r\n\r\n';
const ORIGIN = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n';

function section(part: HeaderPart, text: string): Section {
  return { part, bytes: Buffer.from(text, 'latin1') };
}

function exchange(overrides: Partial<JudgedExchange>, fields: Readonly<Record<string, string>> = {}): JudgedExchange {
  return {
    method: 'REQMOD',
    sent: [section('req-hdr', ASKED)],
    status: 200,
    received: [section('req-hdr', ASKED)],
    bodyChanged: false,
    ...overrides,
    fields: Object.entries(fields).map(([name, value]) => ({ name, key: name.toLowerCase(), value, offset: 0 })),
  };
}

const RESPMOD: Partial<JudgedExchange> = {
  method: 'RESPMOD',
  sent: [section('req-hdr', ASKED), section('res-hdr', ORIGIN)],
  received: [section('res-hdr', ORIGIN)],
};

describe('what happens to the content decides', () => {
  const page = (status: string) => [section('res-hdr', `HTTP/1.1 ${status}\r\n\r\n`)];

  test.each([
    { name: '204', judged: exchange({ status: 204, received: [] }), verdict: 'allowed' },
    { name: 'the same request back', judged: exchange({}), verdict: 'allowed' },
    { name: 'the same response back', judged: exchange(RESPMOD), verdict: 'allowed' },
    { name: 'nothing back (c-icap)', judged: exchange({ received: [section('req-hdr', '')] }), verdict: 'allowed' },
    { name: 'only a body back', judged: exchange({ received: [], bodyChanged: undefined }), verdict: 'allowed' },
    {
      name: 'the same request with Via added',
      judged: exchange({ received: [section('req-hdr', ASKED.replace('Host', 'Via: ICAP/1.0 x\r\nHost'))] }),
      verdict: 'allowed',
    },
    { name: '201 with the same request', judged: exchange({ status: 201 }), verdict: 'allowed' },
    {
      name: 'another request line',
      judged: exchange({ received: [section('req-hdr', ASKED.replace('/form', '/other'))] }),
      verdict: 'modified',
    },
    { name: 'another body', judged: exchange({ bodyChanged: true }), verdict: 'modified' },
    { name: 'another 2xx on RESPMOD', judged: exchange({ ...RESPMOD, received: page('206 x') }), verdict: 'modified' },
    { name: 'a 403 page for a request', judged: exchange({ received: page('403 x') }), verdict: 'blocked' },
    { name: 'a 200 page for a request (Symantec)', judged: exchange({ received: page('200 OK') }), verdict: 'blocked' },
    {
      name: 'a 403 page for a response',
      judged: exchange({ ...RESPMOD, received: page('403 x') }),
      verdict: 'blocked',
    },
    {
      name: 'a redirect for a response',
      judged: exchange({ ...RESPMOD, received: page('307 x') }),
      verdict: 'blocked',
    },
    {
      name: 'a 300 page for a response',
      judged: exchange({ ...RESPMOD, received: page('300 x') }),
      verdict: 'blocked',
    },
    { name: '300', judged: exchange({ status: 300, received: [] }), verdict: 'error' },
    { name: '404', judged: exchange({ status: 404, received: [] }), verdict: 'error' },
    { name: '418', judged: exchange({ status: 418, received: [] }), verdict: 'error' },
    { name: '539', judged: exchange({ status: 539, received: [] }), verdict: 'error' },
  ])('$name: $verdict', ({ judged, verdict }) => {
    expect(judge(judged).verdict).toBe(verdict);
  });

  test('a response that was an error page before is not taken for a block', () => {
    const sent = page('404 Not Found');
    expect(judge(exchange({ ...RESPMOD, sent, received: sent })).verdict).toBe('allowed');
  });

  test('the status of the page is told', () => {
    expect(judge(exchange({ received: page('451 x') })).httpStatus).toBe(451);
    expect(judge(exchange({})).httpStatus).toBeUndefined();
  });
});

describe('headers of vendors', () => {
  test.each([
    [{ 'X-Infection-Found': 'Type=0; Resolution=2; Threat=Eicar-Test;' }, 'blocked', 'Eicar-Test'],
    [{ 'X-Infection-Found': 'Type=0; Resolution=2; Threat=A,B;', 'X-Virus-ID': 'A' }, 'blocked', 'A,B'],
    [{ 'x-virus-id': 'TROJ_FRS.0NA103DD20' }, 'blocked', 'TROJ_FRS.0NA103DD20'],
    [{ 'X-Virus-ID': 'no threats' }, 'allowed', undefined],
    [{ 'X-Violations-Found': '1\t-\tEicar\t0\t0' }, 'blocked', 'Eicar'],
    [{ 'X-Violations-Found': '0' }, 'allowed', undefined],
    [{ 'X-Response-Info': 'Blocked' }, 'blocked', undefined],
    [{ 'X-Response-Info': 'Allowed' }, 'allowed', undefined],
    [{ 'X-Response-Desc': 'FILE: nothing found' }, 'allowed', undefined],
    [{ 'X-Blocked-Reason': 'Infected' }, 'blocked', 'Infected'],
    [{ 'X-Block-Result': '0' }, 'allowed', undefined],
    [{ 'X-Block-Reason': 'Media Type', 'X-Block-Result': '80' }, 'blocked', 'Media Type'],
    [{ 'X-Virus-Name': 'EICAR' }, 'blocked', 'EICAR'],
    [{ 'X-Virus-Name': 'none' }, 'allowed', undefined],
    [{ 'X-FSecure-Scan-Result': 'infected', 'X-FSecure-Infection-Name': '"Malware.A/B"' }, 'blocked', 'Malware.A/B'],
    [{ 'X-FSecure-Scan-Result': 'clean', 'X-FSecure-Transaction-Duration': '0.04' }, 'allowed', undefined],
    [{ 'X-Infection-Found': 'Type=1; Resolution=2; Threat=;', 'X-Virus-ID': 'Policy' }, 'blocked', 'Policy'],
    [{ 'X-Response-Info': 'passed', 'X-Virus-ID': 'no threats' }, 'allowed', undefined],
  ])('%j: %s, %s', (fields, verdict, threat) => {
    expect(judge(exchange({}, fields as Record<string, string>))).toMatchObject({ verdict, threat });
  });

  test('a threat in a 204 is told, but the content passed', () => {
    const judged = exchange({ status: 204, received: [] }, { 'X-Virus-ID': 'Eicar' });
    expect(judge(judged)).toMatchObject({ verdict: 'allowed', threat: 'Eicar' });
  });
});
