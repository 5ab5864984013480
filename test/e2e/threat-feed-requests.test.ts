import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { feedsIn, GUIDE_ADDRESS, GUIDE_EVENT, GUIDE_THREAT, postFinding } from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { accessLines, backendsOn, icapService } from '../_util/e2e-icap.ts';
import { type ScriptBackend, startScriptBackend } from '../_util/icap-script-backend.ts';
import { connectScriptClient, driveScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { HTTP_GET, options, reqmod, respmod } from '../_util/icap-script-message.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';
import { dialTls } from '../_util/tls-client.ts';

const USER = [`X-Client-IP: ${GUIDE_ADDRESS}`];
const BODY = 'a document of some length';

function get(target: string, host: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

const REQUESTS: readonly (readonly [what: string, level: string, request: Buffer])[] = [
  ['REQMOD of a blocked user', 'client-ip', reqmod({ body: BODY, lines: USER })],
  ['REQMOD of a blocked user, without a body', 'client-ip', reqmod({ 'req-hdr': HTTP_GET, lines: USER })],
  ['REQMOD of a blocked user, with a preview', 'client-ip', reqmod({ body: BODY, preview: 4, lines: USER })],
  ['REQMOD of a blocked user, all in its preview', 'client-ip', reqmod({ body: BODY, preview: 1024, lines: USER })],
  ['RESPMOD of a blocked user', 'client-ip', respmod({ body: BODY, lines: USER })],
  ['RESPMOD of a blocked user, with a preview', 'client-ip', respmod({ body: BODY, preview: 0, lines: USER })],
  ['REQMOD to a blocked server', 'target', reqmod({ 'req-hdr': get(`http://${GUIDE_ADDRESS}/`, 'www.example') })],
  ['REQMOD to it, spelt as a number', 'target', reqmod({ 'req-hdr': get('http://3325256704/', 'www.example') })],
  ['REQMOD to it by Host', 'target', reqmod({ 'req-hdr': get('/', `${GUIDE_ADDRESS}:8080`) })],
  [
    'REQMOD of a tunnel to it',
    'target',
    reqmod({ 'req-hdr': `CONNECT ${GUIDE_ADDRESS}:443 HTTP/1.1\r\nHost: www.example\r\n\r\n` }),
  ],
  ['RESPMOD from it', 'target', respmod({ body: BODY, lines: [`X-Server-IP: ${GUIDE_ADDRESS}`] })],
  [
    'RESPMOD from it by URI, with a preview',
    'target',
    respmod({ 'req-hdr': get(`http://[::ffff:198.51.100.0]/`, 'www.example'), body: BODY, preview: 4 }),
  ],
];

let folder: TestFolder;
let backend: ScriptBackend;
let gateway: RunningGateway;

beforeAll(async () => {
  folder = await createFolder();
  backend = await startScriptBackend();
  const { server } = certificates();
  const health = { health: { type: 'none' } };
  gateway = await startGateway({
    workers: 2,
    log: { access: '-' },
    feeds: feedsIn(folder.path),
    services: [
      icapService('clear', backendsOn([backend]), health),
      icapService('secure', backendsOn([backend]), { ...health, tls: { cert: server.cert, key: server.key } }),
    ],
  });
  expect(await postFinding(gateway, GUIDE_EVENT)).toEqual([200, 'Success!']);
  // On every worker within a second of the answer: so many connections meet both.
  await vi.waitFor(
    async () => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => open('clear')));
      const answers = await Promise.all(clients.map((client) => client.ask(reqmod({ body: BODY, lines: USER }))));
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      expect(answers.every((answer) => answer.section('res-hdr')?.startsWith('HTTP/1.1 403'))).toBe(true);
    },
    { timeout: 1000, interval: 20 },
  );
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function open(service: string): Promise<ScriptClient> {
  const port = gateway.port(service);
  if (service === 'clear') return connectScriptClient(port);
  const socket = dialTls({ port });
  await once(socket, 'secureConnect');
  return driveScriptClient(socket);
}

describe.each(['clear', 'secure'])('a gateway that was told the test event, in %s', (service) => {
  test.each(REQUESTS)('answers %s with a page, and goes on', async (_, level, request) => {
    const hits = await gateway.metric('icapgw_block_list_hits_total', { service, level });
    const exchangeCount = backend.exchanges.length;
    await using client = await open(service);
    const page = await client.ask(request);
    expect(client.received.toString('latin1')).toMatch(/^ICAP\/1\.0 200 /);
    expect(client.received.toString('latin1')).not.toContain('100 Continue');
    expect(page.section('res-hdr')).toMatch(/^HTTP\/1\.1 403 /);
    expect(page.body.toString()).toContain('<html');
    expect(await gateway.metric('icapgw_block_list_hits_total', { service, level })).toBe(hits + 1);

    expect((await client.ask(reqmod({ body: BODY, lines: ['Allow: 204'] }))).status).toBe(204);
    // Nobody but the second request reached it.
    expect(backend.exchanges.length).toBe(exchangeCount + 1);
    const own = `127.0.0.1:${client.socket.localPort}`;
    const lines = () => accessLines(gateway).filter((line) => line.service === service && line.client === own);
    await vi.waitFor(() => expect(lines()).toHaveLength(2));
    expect(lines()).toMatchObject([
      { verdict: 'blocked', threat: GUIDE_THREAT, backend: null, status: 200 },
      { verdict: 'allowed', threat: null, status: 204 },
    ]);
  });

  test('lets everybody else through, and answers OPTIONS as ever', async () => {
    await using client = await open(service);
    const others = ['Allow: 204', 'X-Client-IP: 198.51.100.1', 'X-Server-IP: 198.51.100.2'];
    expect((await client.ask(reqmod({ body: BODY, lines: others }))).status).toBe(204);
    const asked = await client.ask(options('/reqmod', USER));
    expect([asked.status, asked.field('methods')]).toEqual([200, expect.stringContaining('REQMOD')]);
  });
});
