import { describe, expect, test, vi } from 'vitest';
import { EICAR } from '../../src/demo/eicar.ts';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { fieldValue } from '../../src/icap/field.ts';
import { textDocument } from '../../src/probe/document.ts';
import { PROFILE_NAMES, PROFILES } from '../../src/probe/profile.ts';
import { type SurveyOptions, survey } from '../../src/probe/survey.ts';
import type { SurveyReport } from '../../src/probe/survey-report.ts';
import { checkLine, summaryLines } from '../../src/probe/survey-text.ts';
import { loadCertificates } from '../../src/tls/trust.ts';
import { certificates } from '../_util/certificates.ts';
import { startSilentServer } from '../_util/icap-ill-servers.ts';
import { echo, type ScriptBackend, saying, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { answer, HTTP_OK } from '../_util/icap-script-message.ts';
import { startTlsIcapServer } from '../_util/icap-tls-server.ts';
import { startRecordingPath } from '../_util/tls-records.ts';

/** RFC 5246 6.2.1: the content type of an alert, as close_notify is one. */
const ALERT = 21;
const LARGE_BYTES = 300_000;
const NO_ICAP = 'note     not one answer in ICAP: is this an ICAP port? One that speaks TLS wants icaps://';

function surveyOf(port: number, options: Partial<SurveyOptions> = {}): Promise<SurveyReport> {
  return survey({
    target: { scheme: 'icap', host: '127.0.0.1', port, path: '/scan' },
    profile: PROFILES.reqmod,
    methods: ['REQMOD', 'RESPMOD'],
    virus: textDocument('eicar.com', EICAR),
    largeBytes: LARGE_BYTES,
    fields: [],
    tls: { trusted: [], keyPair: undefined, serverName: undefined, verify: true },
    timeouts: { connectMs: 10_000, silenceMs: 10_000, totalMs: 10_000 },
    trace: () => {},
    cancel: new AbortController().signal,
    onCheck: () => {},
    ...options,
  });
}

function rowsOf({ checks }: SurveyReport): readonly string[] {
  return checks.map(({ method, name, result, detail }) => `${method} ${name} ${result}: ${detail}`);
}

/** Wrong in as many ways as the table can tell. */
async function startBrokenServer(): Promise<ScriptBackend> {
  const server = await startScriptBackend();
  server.optionsScript = saying('Methods: REQMOD', 'ISTag: bare', 'Preview: 10', 'Allow: 204');
  server.script = async (exchange) => {
    const { head } = exchange;
    if (head.encapsulated.body === 'null-body') return exchange.end('HTTP/1.1 200 OK\r\n\r\n');
    if ((await exchange.arrived()) === 'ieof') {
      exchange.send('ICAP/1.0 100 Continue\r\n\r\n');
      return exchange.send(answer(204));
    }
    if (head.preview === 0) return exchange.end();
    const body = await exchange.body();
    if (body.includes('EICAR')) return exchange.send(answer(500));
    if (body.length === LARGE_BYTES) {
      const part = exchange.section('req-hdr') ?? '';
      return exchange.send(answer(200, [], { 'req-hdr': part, body: body.subarray(1) }));
    }
    return exchange.send(answer(204, ['Connection: close']));
  };
  return server;
}

describe('the table', () => {
  test('of the demonstration server has nothing to complain of, and both methods', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    const report = await surveyOf(server.port);
    expect(report).toMatchObject({ works: true, isComplete: true, tls: undefined });
    const rows = (method: string): readonly string[] => [
      `${method} clean yes: 204, left alone`,
      `${method} no-204 yes: 200, back unchanged`,
      `${method} empty yes: 204, left alone`,
      `${method} eicar yes: blocked as EICAR-Test-File, HTTP 403`,
      `${method} preview-0 yes: 100, then 204, left alone`,
      `${method} preview-half yes: 100, then 204, left alone`,
      `${method} preview-full yes: 100, then 204, left alone`,
      `${method} preview-ieof yes: 204, left alone`,
      `${method} large yes: 204, left alone`,
      `${method} large-no-204 yes: 200, back unchanged`,
      `${method} keep-alive yes: 3 requests on one connection`,
      `${method} 204 yes: with and without a preview`,
    ];
    expect(rowsOf(report).slice(2)).toEqual([
      ...rows('REQMOD'),
      ...rows('RESPMOD'),
      'OPTIONS unknown-path no: 200 OK: a mistake in a path goes unseen',
    ]);
  });

  test('of a broken server has every fault of it, and no other', async () => {
    await using server = await startBrokenServer();
    const report = await surveyOf(server.port);
    expect(report).toMatchObject({ works: false, isComplete: true });
    expect(rowsOf(report)).toEqual([
      'OPTIONS options yes: 200 OK; methods REQMOD; preview 10; allow 204',
      'OPTIONS istag no: bare, without its quotes',
      'REQMOD clean yes: 204, left alone',
      'REQMOD no-204 failed: 204, which the request did not allow',
      expect.stringMatching(
        /^REQMOD empty failed: the first line is not ICAP: 127\.0\.0\.1:\d+ says "HTTP\/1\.1 200 OK"$/,
      ),
      'REQMOD eicar failed: ICAP 500 Whatever: the server failed: its log knows why',
      expect.stringMatching(/^REQMOD preview-0 failed: .*closed the connection/),
      'REQMOD preview-half yes: 100, then 204, left alone',
      'REQMOD preview-full yes: 100, then 204, left alone',
      'REQMOD preview-ieof failed: asks for more (100) after all there was (ieof)',
      `REQMOD large failed: the body came back changed: ${LARGE_BYTES} bytes sent, ${LARGE_BYTES - 1} received`,
      `REQMOD large-no-204 failed: the body came back changed: ${LARGE_BYTES} bytes sent, ${LARGE_BYTES - 1} received`,
      'REQMOD keep-alive no: says Connection: close after one request',
      'REQMOD 204 yes: where the request allows it',
      'RESPMOD offered no: OPTIONS do not name it',
      'OPTIONS unknown-path no: 200 OK: a mistake in a path goes unseen',
    ]);
    expect(summaryLines(report)).toEqual(['FAULTY   7 of 16 checks failed']);
  });

  test('of a server that sends everything back and takes no previews says so', async () => {
    await using server = await startScriptBackend(echo);
    server.optionsScript = saying('Methods: RESPMOD');
    const report = await surveyOf(server.port, { methods: ['RESPMOD'] });
    expect(report.works).toBe(true);
    expect(rowsOf(report)).toEqual(
      expect.arrayContaining([
        'RESPMOD clean yes: 200, back unchanged',
        'RESPMOD preview no: OPTIONS offer none',
        'RESPMOD 204 no: sends every document back',
      ]),
    );
    expect(summaryLines(report)[0]).toContain('EICAR passes');
  });

  test('of a server that blocks what is harmless is not one of a server that works', async () => {
    await using server = await startScriptBackend(async (exchange) => {
      await exchange.body();
      exchange.send(answer(200, ['X-Virus-ID: Everything'], { 'res-hdr': HTTP_OK, body: 'no' }));
    });
    const report = await surveyOf(server.port, { methods: ['REQMOD'] });
    expect(rowsOf(report)).toContain('REQMOD clean no: blocks a harmless document as Everything');
    expect(report.checks.map(({ name }) => name)).not.toContain('204');
    expect(summaryLines(report)).toEqual(['BROKEN   nothing there judges a document']);
  });

  test.each([
    [
      'the head alone',
      'RESPMOD clean failed: the body came back changed: 47 bytes sent, 0 received',
      { 'res-hdr': HTTP_OK },
    ],
    ['nothing', 'RESPMOD clean failed: 200 with nothing in it: few clients take that for a 204', {}],
    ['nothing', 'RESPMOD large-no-204 failed: 200 with nothing in it: few clients take that for a 204', {}],
    [
      'what was previewed alone',
      'RESPMOD preview-half failed: the body came back changed: 57 bytes sent, 5 received',
      { 'res-hdr': HTTP_OK, body: 'first' },
    ],
  ])('of a server that sends back %s says what is lost', async (_, row, content) => {
    await using server = await startScriptBackend(async (exchange) => {
      if ((exchange.head.preview ?? 0) > 0) await exchange.arrived();
      else await exchange.body();
      exchange.send(answer(200, [], content));
    });
    server.optionsScript = saying('Methods: RESPMOD', 'Preview: 10');
    const report = await surveyOf(server.port, { methods: ['RESPMOD'] });
    expect(rowsOf(report)).toContain(row);
    expect(report.works).toBe(false);
  });

  test('without an ISTag, methods or OPTIONS at all is still made', async () => {
    await using server = await startScriptBackend(unmodified);
    server.optionsScript = (exchange) => exchange.send('ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\n\r\n');
    const bare = rowsOf(await surveyOf(server.port, { methods: ['REQMOD'] }));
    expect(bare[0]).toBe('OPTIONS options failed: 200 OK; names no methods');
    expect(bare[1]).toBe('OPTIONS istag failed: missing: caches would keep old verdicts');
    server.optionsScript = (exchange) => exchange.end();
    const none = await surveyOf(server.port, { methods: ['REQMOD'] });
    expect(none.options).toEqual({});
    expect(rowsOf(none)).toContain('REQMOD clean yes: 204, left alone');
    expect(none.works).toBe(false);
  });
});

describe('a survey', () => {
  test('ends soon where a server never answers', async () => {
    await using server = await startSilentServer();
    const timeouts = { connectMs: 10_000, silenceMs: 50, totalMs: 10_000 };
    const report = await surveyOf(server.port, { timeouts });
    expect(rowsOf(report).map((row) => row.split(':')[0])).toEqual([
      'OPTIONS options failed',
      'REQMOD clean failed',
      'RESPMOD clean failed',
      'OPTIONS unknown-path failed',
    ]);
    expect(summaryLines(report)).toEqual([NO_ICAP, 'BROKEN   4 of 4 checks failed']);
  });

  test.each([
    ['speaks something else', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    ['closes at once', ''],
  ])('says it once where the server %s', async (_, words) => {
    await using server = await startScriptBackend((exchange) => exchange.end(words));
    server.optionsScript = (exchange) => exchange.end(words);
    const report = await surveyOf(server.port);
    expect(report.checks.map(({ method, name, result }) => `${method} ${name} ${result}`)).toEqual([
      'OPTIONS options failed',
      'REQMOD clean failed',
      'RESPMOD clean failed',
      'OPTIONS unknown-path failed',
    ]);
    expect(summaryLines(report)).toEqual([NO_ICAP, 'BROKEN   4 of 4 checks failed']);
  });

  test('that is cancelled keeps what it knows', async () => {
    const stop = new AbortController();
    await using server = await startScriptBackend(async (exchange) => {
      stop.abort(new Error('stopped'));
      await exchange.stall();
    });
    const report = await surveyOf(server.port, { cancel: stop.signal });
    expect(report).toMatchObject({ works: false, isComplete: false });
    expect(report.checks.map(({ name }) => name)).toEqual(['options', 'istag']);
    expect(summaryLines(report)).toEqual(['STOPPED  after 2 checks']);
  });

  test('makes one connection for each check, and leaves each of them in good order', async () => {
    const lab = certificates();
    // What a record is can be seen from outside up to TLS 1.2.
    await using server = await startTlsIcapServer(lab.server, undefined, 'TLSv1.2');
    await using path = await startRecordingPath(server.port);
    const tls = { trusted: loadCertificates([lab.ca.cert]), keyPair: undefined, serverName: 'localhost', verify: true };
    const target = { scheme: 'icaps', host: '127.0.0.1', port: path.port, path: '/scan' } as const;
    const report = await surveyOf(path.port, { target, tls, methods: ['REQMOD'] });
    expect(report.works).toBe(true);
    await vi.waitFor(() => {
      expect(path.lastRecords).toEqual(report.checks.filter(({ ms }) => ms !== undefined).map(() => ALERT));
    });
  });

  test('throws where there is nobody', async () => {
    let port: number;
    {
      await using gone = await startSilentServer();
      port = gone.port;
    }
    await expect(surveyOf(port)).rejects.toMatchObject({ code: 'ICAPGW_UPSTREAM_CONNECT' });
  });

  test('gives a terminal no commands that a server sent', async () => {
    await using server = await startScriptBackend();
    server.optionsScript = saying('Methods: REQMOD', 'Service: \x1b[2Jboo');
    const lines: string[] = [];
    await surveyOf(server.port, { methods: ['REQMOD'], onCheck: (check) => lines.push(checkLine(check)) });
    expect(lines.join('')).not.toContain('\x1b');
  });
});

describe.each(PROFILE_NAMES)('as %s', (name) => {
  test('requests carry the path and the fields of its clients', async () => {
    await using server = await startScriptBackend();
    const target = { scheme: 'icap', host: '127.0.0.1', port: server.port, path: undefined } as const;
    const profile = PROFILES[name];
    const report = await surveyOf(server.port, { target, profile });
    expect(report.works).toBe(true);
    for (const method of ['REQMOD', 'RESPMOD'] as const) {
      const sent = server.exchanges.find(({ head }) => head.method === method);
      expect(sent?.headText).toMatch(new RegExp(`^${method} icap://127.0.0.1:${server.port}${profile.paths[method]} `));
      expect(fieldValue(sent?.head.fields ?? [], 'host') !== undefined).toBe(profile.saysHost);
      for (const field of profile.fields('127.0.0.1')) {
        expect(sent?.headText).toContain(`\r\n${field.name}: ${field.value}\r\n`);
      }
    }
  });
});
