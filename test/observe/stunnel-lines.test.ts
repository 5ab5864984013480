import { describe, expect, test } from 'vitest';
import { HANDSHAKE_FAILURES, REJECT_REASONS } from '../../src/observe/labels.ts';
import type { LogEventName, LogEvents } from '../../src/observe/log-event.ts';
import { formatRecord } from '../../src/observe/log-format.ts';
import { LOG_EVENT_NAMES } from '../../src/observe/log-table.ts';
import { sampleRecord } from '../_util/observe-record.ts';

/** The lines of an event without their time. */
function linesOf<E extends LogEventName>(event: E, change: Partial<LogEvents[E]> = {}): string[] {
  const lines = formatRecord(sampleRecord(event, change), { level: 'debug', format: 'stunnel', color: false });
  return lines.map(({ line }) => line.replace(/^\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d /, ''));
}

const NOTHING_SENT = 'LOG5[7]: Connection reset/closed: 0 byte(s) sent to TLS, 0 byte(s) sent to socket';

describe('stunnel lines', () => {
  test('begin with local time, level and the number of the connection', () => {
    const [line] = formatRecord(sampleRecord('connection-accepted'), {
      level: 'notice',
      format: 'stunnel',
      color: false,
    });
    expect(line?.line).toMatch(/^2026\.11\.2[01] \d\d:\d\d:14 LOG5\[7\]: Service \[mcas\] accepted connection from /);
  });

  test('tell a connection that went well', () => {
    const subject = 'O=Test, CN=client1';
    expect([
      ...linesOf('connection-accepted'),
      ...linesOf('handshake-done', { subject }),
      ...linesOf('backend-connected'),
      ...linesOf('connection-closed'),
    ]).toEqual([
      'LOG5[7]: Service [mcas] accepted connection from 192.0.2.1:40820',
      'LOG5[7]: Certificate accepted at depth=0: O=Test, CN=client1',
      'LOG6[7]: TLS accepted: new session negotiated',
      'LOG6[7]: TLSv1.3 ciphersuite: TLS_AES_256_GCM_SHA384',
      'LOG5[7]: s_connect: connected 10.0.0.5:1344',
      'LOG5[7]: Service [mcas] connected remote server from 10.0.0.1:33012',
      'LOG5[7]: Connection closed: 10 byte(s) sent to TLS, 5 byte(s) sent to socket',
    ]);
  });

  test('tell which service a client asked for by name', () => {
    expect(linesOf('connection-accepted', { primary: 'main', serverName: 'dlp.example' })).toEqual([
      'LOG5[7]: Service [main] accepted connection from 192.0.2.1:40820',
      'LOG6[7]: SNI: requested servername: dlp.example',
      'LOG5[7]: SNI: switched to service [mcas]',
    ]);
  });

  test('tell that a client asked for a name that nobody has', () => {
    const asked = { service: 'main', primary: 'main', serverName: 'x.example' };
    expect([...linesOf('connection-accepted', asked), ...linesOf('server-name-unknown', asked)]).toEqual([
      'LOG5[7]: Service [main] accepted connection from 192.0.2.1:40820',
      'LOG6[7]: SNI: requested servername: x.example',
      'LOG3[7]: SNI: no pattern matched servername: x.example',
    ]);
  });

  test('tell that a client named no server, where services share a port', () => {
    expect(linesOf('connection-accepted', { service: 'main', primary: 'main' })).toEqual([
      'LOG5[7]: Service [main] accepted connection from 192.0.2.1:40820',
      'LOG5[7]: SNI: no servername received',
    ]);
  });

  test('tell a client that is redirected, and nothing that tells of an end', () => {
    expect(linesOf('connection-redirected', { reason: 'expired', subject: 'CN=old' })).toEqual([
      'LOG4[7]: CERT: Pre-verification error: certificate has expired',
      'LOG4[7]: Rejected by CERT at depth=0: CN=old',
      'LOG6[7]: TLS accepted: previous session reused',
      'LOG6[7]: TLSv1.3 ciphersuite: TLS_AES_256_GCM_SHA384',
      'LOG5[7]: Redirecting connection',
    ]);
    const bare = { reason: 'no-certificate', subject: undefined, resumed: false } as const;
    expect(linesOf('connection-redirected', bare)).toEqual([
      'LOG6[7]: TLS accepted: new session negotiated',
      'LOG6[7]: TLSv1.3 ciphersuite: TLS_AES_256_GCM_SHA384',
      'LOG5[7]: Redirecting connection',
    ]);
  });

  test('tell a client without a certificate', () => {
    expect(linesOf('handshake-failed', { reason: 'no-certificate', subject: undefined })).toEqual([
      'LOG3[7]: SSL_accept: error:0A0000C7:SSL routines::peer did not return a certificate',
      NOTHING_SENT,
    ]);
  });

  test('tell who did not prove a key in words of its own, and of no certificate', () => {
    const problem = {
      reason: 'no-key',
      detail: 'the client did not use a pre-shared key',
      subject: undefined,
    } as const;
    expect(linesOf('handshake-failed', problem)).toEqual([
      'LOG3[7]: SSL_accept: the client did not use a pre-shared key',
      NOTHING_SENT,
    ]);
  });

  test.each([
    ['unknown-ca', 'CERT: Pre-verification error: unable to get local issuer certificate'],
    ['self-signed', 'CERT: Pre-verification error: self-signed certificate'],
    ['expired', 'CERT: Pre-verification error: certificate has expired'],
    ['revoked', 'CERT: Pre-verification error: certificate revoked'],
    ['wrong-purpose', 'CERT: Pre-verification error: unsuitable certificate purpose'],
    ['no-crl', 'CERT: Pre-verification error: unable to get certificate CRL'],
    ['crl-expired', 'CERT: Pre-verification error: CRL has expired'],
    ['not-pinned', 'CERT: Certificate not found in local repository'],
    ['not-allowed', 'CERT: Subject checks failed'],
  ] as const)('tell a certificate refused as %s', (reason, text) => {
    expect(linesOf('handshake-failed', { reason, subject: 'O=Other, CN=otherclient' })).toEqual([
      `LOG4[7]: ${text}`,
      'LOG4[7]: Rejected by CERT at depth=0: O=Other, CN=otherclient',
      'LOG3[7]: SSL_accept: error:0A000086:SSL routines::certificate verify failed',
      NOTHING_SENT,
    ]);
  });

  test.each([
    ['plain-text', /^LOG3\[7\]: SSL_accept: .*wrong version number$/],
    ['closed', /^LOG3\[7\]: SSL_accept: .*unexpected eof while reading$/],
    ['timeout', /^LOG6\[7\]: ssl_start: s_poll_wait: TIMEOUTbusy exceeded: sending reset$/],
    ['protocol', /^LOG3\[7\]: SSL_accept: bad record mac$/],
  ] as const)('tell a handshake that failed as %s', (reason, line) => {
    expect(linesOf('handshake-failed', { reason, detail: 'bad record mac' })[0]).toMatch(line);
  });

  test.each(HANDSHAKE_FAILURES)('end a handshake that failed as %s with its byte counts', (reason) => {
    expect(linesOf('handshake-failed', { reason }).at(-1)).toMatch(
      /^LOG5\[7\]: Connection reset(\/closed)?: 0 byte\(s\) sent to TLS, 0 byte\(s\) sent to socket$/,
    );
  });

  test('tell backends that cannot be connected', () => {
    expect([
      ...linesOf('backend-failed'),
      ...linesOf('backend-failed', { reason: 'timeout', next: false }),
      ...linesOf('no-backend'),
      ...linesOf('connection-closed', { reason: 'no-backend', bytesIn: 0, bytesOut: 0 }),
    ]).toEqual([
      'LOG3[7]: s_connect: connect 10.0.0.5:1344: Connection refused (111)',
      'LOG3[7]: s_connect: s_poll_wait 10.0.0.5:1344: TIMEOUTconnect exceeded',
      'LOG3[7]: No more addresses to connect',
      'LOG5[7]: Connection reset: 0 byte(s) sent to TLS, 0 byte(s) sent to socket',
    ]);
  });

  test.each([
    ['close-timeout', 'LOG6[7]: transfer: s_poll_wait: TIMEOUTclose exceeded: closing', 'closed'],
    ['idle-timeout', 'LOG6[7]: transfer: s_poll_wait: TIMEOUTidle exceeded: sending reset', 'reset'],
    ['client-reset', 'LOG6[7]: TLS fd: Connection reset by peer (104)', 'closed'],
    ['backend-reset', 'LOG6[7]: socket fd: Connection reset by peer (104)', 'closed'],
  ] as const)('tell a connection that ended by %s', (reason, first, word) => {
    expect(linesOf('connection-closed', { reason })).toEqual([
      first,
      `LOG5[7]: Connection ${word}: 10 byte(s) sent to TLS, 5 byte(s) sent to socket`,
    ]);
  });

  test.each([
    ['protocol', 'closed'],
    ['request-timeout', 'reset'],
    ['policy', 'reset'],
    ['backend-abort', 'closed'],
  ] as const)('tell a connection in ICAP that ended by %s as %s', (reason, word) => {
    expect(linesOf('connection-closed', { reason })).toEqual([
      `LOG5[7]: Connection ${word}: 10 byte(s) sent to TLS, 5 byte(s) sent to socket`,
    ]);
  });

  test('tell TLS with a backend', () => {
    const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', resumed: false } as const;
    expect([
      ...linesOf('backend-connected', { ...tls, subject: 'O=Test, CN=dlp', serverName: 'dlp.example' }),
      ...linesOf('connection-closed', { side: 'backend' }),
    ]).toEqual([
      'LOG5[7]: s_connect: connected 10.0.0.5:1344',
      'LOG5[7]: Service [mcas] connected remote server from 10.0.0.1:33012',
      'LOG6[7]: SNI: sending servername: dlp.example',
      'LOG5[7]: Certificate accepted at depth=0: O=Test, CN=dlp',
      'LOG6[7]: TLS connected: new session negotiated',
      'LOG6[7]: TLSv1.3 ciphersuite: TLS_AES_256_GCM_SHA384',
      'LOG5[7]: Connection closed: 5 byte(s) sent to TLS, 10 byte(s) sent to socket',
    ]);
    expect(linesOf('backend-connected', { ...tls, resumed: true }).slice(2)).toEqual([
      'LOG6[7]: TLS connected: previous session reused',
      'LOG6[7]: TLSv1.3 ciphersuite: TLS_AES_256_GCM_SHA384',
    ]);
    expect(linesOf('backend-connected', tls)[2]).toBe('LOG6[7]: Certificate verification disabled');
  });

  test('tell TLS with a backend that did not come about', () => {
    const failed = { reason: 'tls', next: false, subject: 'CN=dlp', tlsDetail: 'certificate has expired' } as const;
    expect([
      ...linesOf('backend-failed', { ...failed, tls: 'expired' }),
      ...linesOf('no-backend', { tls: 'expired' }),
      ...linesOf('connection-closed', {
        reason: 'no-backend',
        side: 'backend',
        tls: 'expired',
        bytesIn: 0,
        bytesOut: 0,
      }),
    ]).toEqual([
      'LOG5[7]: s_connect: connected 10.0.0.5:1344',
      'LOG4[7]: CERT: Pre-verification error: certificate has expired',
      'LOG4[7]: Rejected by CERT at depth=0: CN=dlp',
      'LOG3[7]: SSL_connect: error:0A000086:SSL routines::certificate verify failed',
      'LOG5[7]: Connection closed/reset: 0 byte(s) sent to TLS, 0 byte(s) sent to socket',
    ]);
  });

  test.each([
    ['timeout', 'LOG6[7]: ssl_start: s_poll_wait: TIMEOUTbusy exceeded: sending reset', 'reset'],
    ['closed', 'LOG3[7]: SSL_connect: error:0A000126:SSL routines::unexpected eof while reading', 'closed/reset'],
    ['reset', 'LOG3[7]: SSL_connect: Connection reset by peer (104)', 'reset'],
    ['client-alert', 'LOG3[7]: SSL_connect: ssl/tls alert handshake failure', 'closed/reset'],
  ] as const)('tell a handshake with a backend that ended by %s', (tls, line, word) => {
    const tlsDetail = 'ssl/tls alert handshake failure';
    expect(linesOf('backend-failed', { reason: 'tls', tls, tlsDetail })[1]).toBe(line);
    const closed = linesOf('connection-closed', { reason: 'no-backend', side: 'backend', tls });
    expect(closed).toEqual([`LOG5[7]: Connection ${word}: 5 byte(s) sent to TLS, 10 byte(s) sent to socket`]);
  });

  test('tell a backend that broke off TLS', () => {
    expect([
      ...linesOf('backend-tls-broken'),
      ...linesOf('connection-closed', { reason: 'backend-reset', side: 'backend', tls: 'protocol' }),
    ]).toEqual([
      'LOG3[7]: SSL_read: tlsv13 alert certificate required (ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED)',
      'LOG5[7]: Connection closed/reset: 5 byte(s) sent to TLS, 10 byte(s) sent to socket',
    ]);
  });

  test('tell redirected clients by the service that they came to', () => {
    const serviceNames = new Map([['mcas redirect', 'mcas']]);
    const lines = (format: 'json' | 'stunnel') =>
      formatRecord(sampleRecord('backend-connected', { service: 'mcas redirect' }), {
        ...{ level: 'debug', format, color: false, serviceNames },
      });
    expect(lines('stunnel').map(({ line }) => line)).toContainEqual(
      expect.stringMatching(/Service \[mcas\] connected remote server from /),
    );
    expect(lines('json').map(({ line }) => line)).toEqual([expect.stringContaining('"service":"mcas redirect"')]);
  });

  test('tell resets by the side that TLS is on', () => {
    expect(linesOf('connection-closed', { reason: 'backend-reset', side: 'backend' })[0]).toBe(
      'LOG6[7]: TLS fd: Connection reset by peer (104)',
    );
    expect(linesOf('connection-closed', { reason: 'client-reset', side: 'backend' })[0]).toBe(
      'LOG6[7]: socket fd: Connection reset by peer (104)',
    );
  });

  test('tell start and end of the process', () => {
    expect([
      ...linesOf('starting'),
      ...linesOf('config-loaded'),
      ...linesOf('listening'),
      ...linesOf('ready'),
      ...linesOf('log-reopened'),
      ...linesOf('statistics'),
      ...linesOf('statistics', { side: 'backend' }),
      ...linesOf('terminated'),
      ...linesOf('terminated', { signal: 'SIGINT' }),
    ]).toEqual([
      expect.stringMatching(/^LOG5\[ui\]: stunnel 5\.68 on \S+ platform \(icapgw 1\.0\.0 on Node\.js v26\.10\.0\)$/),
      'LOG5[ui]: Compiled/running with OpenSSL 3.5.1',
      'LOG5[ui]: Threading:WORKER Sockets:EPOLL,IPv6 TLS:SNI',
      'LOG5[ui]: Reading configuration from file /etc/icapgw/icapgw.yaml',
      'LOG5[ui]: FIPS mode disabled',
      'LOG5[ui]: Configuration successful',
      'LOG6[ui]: Service [mcas] bound to 127.0.0.1:11344',
      'LOG6[ui]: Accepting new connections',
      'LOG5[ui]: Log file reopened',
      'LOG0[ui]: Service [mcas]: 2 active of 9 connection(s), 10 byte(s) sent to TLS, 5 byte(s) sent to socket',
      'LOG0[ui]: Service [mcas]: 2 active of 9 connection(s), 5 byte(s) sent to TLS, 10 byte(s) sent to socket',
      'LOG5[ui]: Terminated',
      'LOG3[ui]: Received SIGINT; terminating',
    ]);
  });

  test('say too many clients as stunnel does, and name other limits', () => {
    expect(linesOf('connection-rejected', { reason: 'service-limit' })[0]).toMatch(
      /^LOG4\[ui\]: Connection rejected: too many clients /,
    );
    for (const reason of REJECT_REASONS) expect(linesOf('connection-rejected', { reason })).toHaveLength(1);
  });

  test('replace control characters by dots and are cut at 1024 characters', () => {
    const [line = ''] = linesOf('handshake-failed', { reason: 'protocol', detail: `a\r\nb${'x'.repeat(2000)}` });
    expect(line).toContain('SSL_accept: a..bxxx');
    expect(line.length).toBe('LOG3[7]: '.length + 1024);
  });

  test.each(
    LOG_EVENT_NAMES.filter(
      (event) => !['listening', 'ready', 'reload-failed', 'handshake-failed', 'handshake-done'].includes(event),
    ),
  )('%s has none of the words scripts wait for elsewhere', (event) => {
    expect(linesOf(event).join('\n')).not.toMatch(
      /bound to|Accepting new connections|Configuration failed|peer did not return|bad certificate|verify failed|unsupported protocol|Connection lost|Something went wrong|INTERNAL ERROR/,
    );
  });
});
