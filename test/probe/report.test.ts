import { describe, expect, test } from 'vitest';
import type { ProbeReport } from '../../src/probe/probe.ts';
import { PROFILES } from '../../src/probe/profile.ts';
import { reportLines } from '../../src/probe/report.ts';

const NOW_MS = Date.UTC(2030, 0, 1);
const DAY_MS = 24 * 60 * 60 * 1000;

const REPORT: ProbeReport = {
  verdict: 'allowed',
  threat: undefined,
  httpStatus: undefined,
  address: '127.0.0.1:11344',
  tls: {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    isVerified: true,
    certificate: {
      subject: 'CN=gw.example',
      issuer: 'CN=gw.example',
      notBeforeMs: NOW_MS,
      notAfterMs: NOW_MS + 10.5 * DAY_MS,
      serial: '01',
      fingerprint256: '',
      spkiSha256: '',
      isCa: false,
      selfSigned: true,
    },
  },
  options: {
    status: 200,
    reason: 'OK',
    methods: ['REQMOD', 'RESPMOD'],
    service: 'a service',
    serviceId: undefined,
    istag: '"x"',
    previewBytes: 1024,
    allow204: true,
    allow206: false,
    maxConnections: undefined,
    ttlSeconds: undefined,
    transferPreview: [],
    transferIgnore: [],
    transferComplete: [],
    include: [],
  },
  method: 'REQMOD',
  path: '/reqmod',
  document: { name: 'a.txt', sizeBytes: 8 },
  previewBytes: 1024,
  endedInPreview: true,
  icapStatus: 204,
  icapReason: 'No Content',
  connectMs: 1.4,
  answerMs: 12.6,
};

describe('a report for people', () => {
  test('says what was connected, offered, sent and judged', () => {
    expect(reportLines(REPORT, NOW_MS, {})).toEqual([
      'connected  127.0.0.1:11344, TLSv1.3, certificate CN=gw.example (until 2030-01-11, 10 days left)',
      'options    200 OK; a service; methods REQMOD RESPMOD; preview 1024; allow 204',
      'sent       REQMOD /reqmod, a.txt (8 bytes), preview of 1024 was enough',
      'ALLOWED    (ICAP 204) after 13 ms',
    ]);
  });

  test.each([
    [
      { verdict: 'blocked', threat: 'Eicar', icapStatus: 200, httpStatus: 403 },
      'BLOCKED    Eicar (ICAP 200, HTTP 403) after 13 ms',
    ],
    [{ verdict: 'modified', icapStatus: 200 }, 'MODIFIED   (ICAP 200) after 13 ms'],
    [
      { verdict: 'error', icapStatus: 404, icapReason: 'Not Found' },
      'NO VERDICT ICAP 404 Not Found after 13 ms: there is no service at this path: give the path in the URL, or a --profile',
    ],
    [
      { verdict: 'error', icapStatus: 599, icapReason: '' },
      'NO VERDICT ICAP 599  after 13 ms: the server did not judge the document',
    ],
  ] as const)('ends with the verdict: %j', (overrides, line) => {
    expect(reportLines({ ...REPORT, ...overrides }, NOW_MS, {}).at(-1)).toBe(line);
  });

  test('says what the profile knows of a status', () => {
    const failed: ProbeReport = { ...REPORT, verdict: 'error', icapStatus: 500, icapReason: 'Server error' };
    expect(reportLines(failed, NOW_MS, {}).at(-1)).toContain(': the server failed: its log knows why');
    expect(reportLines(failed, NOW_MS, PROFILES.clamav.advice).at(-1)).toBe(
      'NO VERDICT ICAP 500 Server error after 13 ms: c-icap runs, and clamd did not scan this: ' +
        'it is dead or still loads its signatures, see the logs of both',
    );
  });

  test('says that nothing was encrypted, or verified', () => {
    expect(reportLines({ ...REPORT, tls: undefined }, NOW_MS, {})[0]).toContain('in clear text');
    const tls = REPORT.tls === undefined ? undefined : { ...REPORT.tls, isVerified: false };
    expect(reportLines({ ...REPORT, tls }, NOW_MS, {})[0]).toContain(', NOT VERIFIED');
  });

  test('warns when the service does not offer the method', () => {
    const options = { ...REPORT.options, methods: ['RESPMOD'] };
    expect(reportLines({ ...REPORT, options }, NOW_MS, {})).toContain('warning    the service does not offer REQMOD');
  });

  test('gives a terminal no commands that a server sent', () => {
    const [, , , last] = reportLines({ ...REPORT, verdict: 'blocked', threat: 'a\x9b31mb\x1b[2J' }, NOW_MS, {});
    expect(last).toContain('a\\u{9b}31mb\\u{1b}[2J');
  });
});
