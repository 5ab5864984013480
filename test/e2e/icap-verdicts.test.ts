import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, type ExchangeScript, echo, unmodified } from '../_util/icap-script-backend.ts';
import { answer, blocked, chunk, HTTP_GET, HTTP_OK, HTTP_POST, reqmod, respmod } from '../_util/icap-script-message.ts';
import { type IcapAccessLine, type Rig, startRig } from '../_util/icap-script-rig.ts';

const OTHER_POST = HTTP_POST.replace('form', 'other');
const MOVED = 'HTTP/1.1 307 Temporary Redirect\r\nLocation: http://blocked.example/\r\n\r\n';

interface Row {
  readonly name: string;
  readonly request: Buffer;
  readonly script: ExchangeScript;
  readonly verdict: string;
  readonly line?: Partial<IcapAccessLine>;
}

function with200(
  lines: readonly string[],
  part: 'req-hdr' | 'res-hdr',
  block: string,
  body = 'document',
): ExchangeScript {
  return answering(answer(200, lines, { [part]: block, body }));
}

const REQ = reqmod({ body: 'document' });
const RESP = respmod({ body: 'document' });

const ROWS: readonly Row[] = [
  { name: 'a 204', request: reqmod({ preview: 64, body: 'x' }), script: unmodified, verdict: 'allowed' },
  { name: 'everything back', request: REQ, script: echo, verdict: 'allowed' },
  { name: 'everything back of a response', request: RESP, script: echo, verdict: 'allowed' },
  { name: 'a Via more', request: REQ, script: with200([], 'req-hdr', withVia(HTTP_POST)), verdict: 'allowed' },
  { name: 'other headers', request: REQ, script: with200([], 'req-hdr', OTHER_POST), verdict: 'modified' },
  { name: 'a 201', request: REQ, script: answering(answer(201, [], { 'req-hdr': OTHER_POST })), verdict: 'modified' },
  {
    name: 'a page with status 200 in place of a request',
    request: REQ,
    script: with200([], 'res-hdr', HTTP_OK),
    verdict: 'blocked',
    line: { httpStatus: 200 },
  },
  {
    name: 'a 403 in place of a page',
    request: RESP,
    script: answering(blocked()),
    verdict: 'blocked',
    line: { httpStatus: 403 },
  },
  { name: 'a redirect in place of a page', request: RESP, script: with200([], 'res-hdr', MOVED), verdict: 'blocked' },
  {
    name: 'a named infection',
    request: RESP,
    script: with200(['X-Infection-Found: Type=0; Resolution=2; Threat=EICAR-Test;'], 'res-hdr', HTTP_OK),
    verdict: 'blocked',
    line: { threat: 'EICAR-Test' },
  },
  {
    name: 'no threats',
    request: RESP,
    script: with200(['X-Virus-ID: no threats'], 'res-hdr', HTTP_OK),
    verdict: 'allowed',
    line: { threat: null },
  },
  {
    name: 'X-Response-Info',
    request: RESP,
    script: with200(['X-Response-Info: Blocked'], 'res-hdr', HTTP_OK),
    verdict: 'blocked',
  },
  {
    name: 'folded violations',
    request: REQ,
    script: answering(blocked('no', ['X-Violations-Found: 1\r\n\tf.exe\r\n\tEICAR\r\n\t0\r\n\t2'])),
    verdict: 'blocked',
    line: { threat: 'EICAR' },
  },
  { name: 'an ICAP error', request: REQ, script: answering(answer(403)), verdict: 'error', line: { status: 403 } },
];

type Scenario = 'told' | 'aborted' | 'lost' | string;

let rig: Rig<Scenario>;

beforeAll(async () => {
  const rows = Object.fromEntries(ROWS.map((_, index) => [`row-${index}`, {}]));
  rig = await startRig<Scenario>({ told: {}, aborted: {}, lost: {}, ...rows });
});

afterAll(() => rig[Symbol.asyncDispose]());

describe('a verdict is told by', () => {
  test.each(ROWS.map((row, index) => ({ ...row, service: `row-${index}` })))('$name: $verdict', async (row) => {
    rig.backend(row.service).script = row.script;
    expect((await rig.ask(row.service, row.request)).isComplete).toBe(true);
    const [line] = await rig.access(row.service, 1);
    expect(line).toMatchObject({ verdict: row.verdict, ...row.line });
    const labels = { service: row.service, verdict: row.verdict };
    await expect.poll(() => rig.gateway.metric('icapgw_icap_verdicts_total', labels)).toBe(1);
  });

  test('a body of another size under the same headers', async () => {
    rig.backend('told').script = with200([], 'req-hdr', HTTP_POST, 'another document');
    await rig.ask('told', REQ);
    expect((await rig.access('told', 1))[0]).toMatchObject({ verdict: 'modified' });
  });

  test('a client that left, and a backend that broke off', async () => {
    await using client = await rig.connect('aborted');
    rig.backend('aborted').script = (exchange) => exchange.stall();
    await client.send(REQ);
    await rig.backend('aborted').exchange(0);
    client.reset();
    expect((await rig.access('aborted', 1))[0]).toMatchObject({ verdict: 'aborted', status: null });
    rig.backend('lost').script = (exchange) => exchange.end(blocked('page').subarray(0, -5));
    await expect(rig.ask('lost', REQ)).rejects.toThrow('inside an answer');
    expect((await rig.access('lost', 1))[0]).toMatchObject({ verdict: 'aborted', status: 200 });
    await rig.gateway.waitForEvent('icap-answer-aborted', ({ service }) => service === 'lost');
  });
});

describe('the access log', () => {
  test('says all there is to say of a transaction, in a fixed order', async () => {
    const user = Buffer.from('WinNT://DOM/alice').toString('base64');
    const lines = [`X-Authenticated-User: ${user}`, 'X-Client-IP: 192.0.2.7', 'Proxy-Authorization: Basic czNjcjN0'];
    const secret = HTTP_GET.replace('q=1', 'token=s3cr3t').replace('http://', 'http://bob:s3cr3t@');
    rig.backend('told').script = answering(blocked('no', ['ISTag: "engine-1"']));
    const before = (await rig.access('told', 1)).length;
    await rig.ask(
      'told',
      reqmod({ path: '/reqmod?apikey=s3cr3t', lines, preview: 16, 'req-hdr': secret, body: 'x'.repeat(16) }),
    );
    const line = (await rig.access('told', before + 1)).at(-1);
    expect(line).toMatchObject({
      service: 'told',
      backend: 'backend-0',
      method: 'REQMOD',
      status: 200,
      httpStatus: 403,
      verdict: 'blocked',
      user: 'DOM\\alice',
      clientIp: '192.0.2.7',
      attempt: 1,
      retryReason: null,
      preview: 16,
    });
    expect(line?.http).toMatch(/^GET http:\/\/.*www\.example\/page/);
    expect(line?.bytesIn).toBeGreaterThan(100);
    expect(line?.bytesOut).toBeGreaterThan(100);
    expect(line?.msToFirstByte).toBeLessThanOrEqual(line?.ms ?? -1);
    expect(Object.keys(line ?? {}).join()).toBe(
      'time,service,connection,client,tls,subject,backend,bytesIn,bytesOut,ms,reason,transaction,correlation,method,' +
        'path,http,status,httpStatus,verdict,threat,user,clientIp,attempt,retryReason,preview,msToFirstByte,istag',
    );
    expect(rig.gateway.stdout).not.toMatch(/s3cr3t|czNjcjN0/);
    expect(JSON.stringify(rig.gateway.events)).not.toMatch(/s3cr3t|czNjcjN0/);
  });

  test('and the metrics count what was asked and answered', async () => {
    const labels = { service: 'row-0', method: 'REQMOD', backend: 'backend-0', status: '204' };
    expect(await rig.gateway.metric('icapgw_icap_requests_total', labels)).toBe(1);
    expect(await rig.gateway.metric('icapgw_icap_request_seconds_count', { service: 'row-0', method: 'REQMOD' })).toBe(
      1,
    );
    await using client = await rig.connect('told');
    await client.send('nonsense\r\n\r\n', chunk('x'));
    await client.gone;
    const refused = { service: 'told', method: 'other', backend: 'none', status: '400' };
    await expect.poll(() => rig.gateway.metric('icapgw_icap_requests_total', refused)).toBe(1);
  });
});

function withVia(block: string): string {
  return `${block.slice(0, -2)}Via: ICAP/1.0 engine (C-ICAP/0.5.10)\r\n\r\n`;
}
