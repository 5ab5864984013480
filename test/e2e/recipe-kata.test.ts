import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { certificates } from '../_util/certificates.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { type HttpOrigin, startHttpOrigin } from '../_util/http-origin.ts';
import { hasClamAv, MARKER, type ScanningServer, startScanningServer, THREAT } from '../_util/icap-clamav.ts';
import { type ScriptBackend, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { blocked } from '../_util/icap-script-message.ts';
import { hasSquid, type Squid, startSquid } from '../_util/icap-squid.ts';
import { EXAMPLES, exampleText, startExample } from '../_util/recipe.ts';

const lab = certificates();
const PAGES = { '/text': 'harmless '.repeat(50), '/marked': `harmless ${MARKER} ` };
const SERVICES = ['kata', 'kata-tls'] as const;
const LOGGED_COLUMNS = 20;
const USER_COLUMN = 11;
const OUTCOME_COLUMN = 8;
const MS_COLUMN = 6;
const PATIENTLY = { timeout: 20_000 };
const FAKE_AUTH = '/usr/lib/squid/basic_fake_auth';
const ALICE = { 'Proxy-Authorization': `Basic ${Buffer.from('dom\\alice:secret').toString('base64')}` };

function startGateway(ports: readonly [number, number], changes: object): Promise<RunningGateway> {
  const replacements = {
    '/var/log/icapgw/icap.log': '"-"',
    '127.0.0.1:1344': '127.0.0.1:0',
    '0.0.0.0:11344': '127.0.0.1:0',
    '10.0.0.5:1344': `127.0.0.1:${ports[0]}`,
    '10.0.0.6:1344': `127.0.0.1:${ports[1]}`,
    '/etc/icapgw/stunnel-key.pem': lab.server.combined,
    '/etc/icapgw/ca.pem': lab.ca.cert,
  };
  return startExample('kata/icapgw.yaml', replacements, changes as Readonly<Record<string, unknown>>);
}

/** squid with the lines of the recipe, only addresses and files replaced, for users who log in. */
function startRecipeSquid(gateway: RunningGateway, service: (typeof SERVICES)[number]): Promise<Squid> {
  const port = gateway.port(service);
  return startSquid({
    lines: (dir, place) => {
      const common = { '/var/log/squid/icap.log': `stdio:${dir}/guide.log` };
      const text =
        service === 'kata'
          ? exampleText('kata/squid.conf', { ...common, '127.0.0.1:1344': `127.0.0.1:${port}` })
          : exampleText('kata/squid-tls.conf', {
              ...common,
              'icapgw.example:11344': `localhost:${port}`,
              '/etc/squid/squid.pem': place(lab.client.cert),
              '/etc/squid/squid-key.pem': place(lab.client.key),
              '/etc/squid/icapgw-ca.pem': place(lab.ca.cert),
            });
      const login = [
        `auth_param basic program ${FAKE_AUTH}`,
        'acl known proxy_auth REQUIRED',
        'http_access deny !known',
      ];
      return [...login, ...text.split('\n')];
    },
  });
}

const columnsOf = (log: string, match: string): readonly (readonly string[])[] =>
  log
    .split('\n')
    .filter((line) => line.includes(match))
    .map((line) => line.split(/ +/));

describe.skipIf(!hasSquid || !hasClamAv)('squid with the lines of the guide, before two c-icap that scan', () => {
  let servers: readonly ScanningServer[];
  let gateway: RunningGateway;
  let origin: HttpOrigin;

  beforeAll(async () => {
    const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);
    servers = [await start(), await start()];
    origin = await startHttpOrigin(PAGES);
    // They have no service at the paths of KATA.
    const routes = [
      { methods: 'REQMOD', path: '/av/reqmod', 'rewrite-path': '/virus_scan' },
      { methods: 'RESPMOD', path: '/av/respmod', 'rewrite-path': '/virus_scan' },
    ];
    gateway = await startGateway([servers[0]?.port ?? 0, servers[1]?.port ?? 0], {
      routes,
      health: { path: '/virus_scan' },
    });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    for (const server of [origin, ...(servers ?? [])]) await server?.[Symbol.asyncDispose]();
  });

  test.each(SERVICES)('passes and blocks pages and uploads over %s, and logs as the guide does', async (service) => {
    await using squid = await startRecipeSquid(gateway, service);
    const before = gateway.stdout.length;
    expect(await squid.fetch(`${origin.url}/text`, undefined, ALICE)).toMatchObject({
      status: 200,
      body: Buffer.from(PAGES['/text']),
    });
    const marked = await squid.fetch(`${origin.url}/marked`, undefined, ALICE);
    expect(marked.status).toBe(403);
    expect(marked.body.toString()).toContain(THREAT);
    expect(await squid.fetch(`${origin.url}/form`, PAGES['/text'], ALICE)).toMatchObject({ status: 200 });
    expect(await squid.fetch(`${origin.url}/form`, PAGES['/marked'], ALICE)).toMatchObject({ status: 403 });
    await vi.waitFor(() => {
      const ours = columnsOf(gateway.stdout.slice(before), `${origin.url}/marked`);
      const theirs = columnsOf(squid.read('guide.log'), `${origin.url}/marked`);
      expect(ours).toHaveLength(2);
      expect(theirs).toHaveLength(2);
      for (const log of [ours, theirs]) {
        const [reqmod, respmod] = ['REQMOD', 'RESPMOD'].map((method) => log.find((line) => line.includes(method)));
        expect(reqmod).toEqual(expect.arrayContaining(['GET', 'ICAP_ECHO/204', 'REQMOD']));
        expect(respmod).toEqual(expect.arrayContaining(['GET', 'ICAP_MOD/200', 'RESPMOD']));
        expect(respmod?.[OUTCOME_COLUMN]).toBe('ICAP_MOD/200');
        for (const line of log) {
          expect(line).toHaveLength(LOGGED_COLUMNS);
          expect(line[MS_COLUMN]).toMatch(/^\d+$/);
        }
      }
      // The names of the users are in the column where squid's own log has them.
      const users = (log: typeof ours): readonly (string | undefined)[] => log.map((line) => line[USER_COLUMN]);
      expect(users(theirs)).toEqual(['dom\\alice', 'dom\\alice']);
      expect(users(ours)).toEqual(users(theirs));
    }, PATIENTLY);
    expect(gateway.stdout).not.toContain(ALICE['Proxy-Authorization'].slice('Basic '.length));
    expect(squid.cacheLog()).not.toMatch(/exception|assertion|FATAL|essential ICAP service is down/i);
  });
});

describe.skipIf(!hasSquid)('squid with the lines of the guide, before a sandbox', () => {
  let kata: ScriptBackend;
  let other: ScriptBackend;
  let origin: HttpOrigin;

  beforeAll(async () => {
    kata = await startScriptBackend();
    other = await startScriptBackend();
    origin = await startHttpOrigin(PAGES);
  });
  afterAll(async () => {
    for (const server of [kata, other, origin]) await server[Symbol.asyncDispose]();
  });

  test('hands on who asks at which paths, but not the password', async () => {
    await using gateway = await startGateway([kata.port, other.port], {});
    await using squid = await startRecipeSquid(gateway, 'kata');
    expect(await squid.fetch(`${origin.url}/text`, undefined, ALICE)).toMatchObject({ status: 200 });
    const heads = [...kata.exchanges, ...other.exchanges].map(({ headText }) => headText);
    expect(heads.map((head) => head.split(' ICAP/')[0]).sort()).toEqual([
      expect.stringMatching(/^REQMOD icap:\/\/127\.0\.0\.1:\d+\/av\/reqmod$/),
      expect.stringMatching(/^RESPMOD icap:\/\/127\.0\.0\.1:\d+\/av\/respmod$/),
    ]);
    for (const head of heads) {
      expect(head).toMatch(/^X-Client-Username: dom\\alice\r$/m);
      expect(head).toMatch(/^X-Client-IP: 127\.0\.0\.1\r$/m);
      expect(head).not.toMatch(/^Proxy-Authorization/im);
    }
  });

  test('waits for an answer for minutes, by the configuration', () => {
    const { config } = loadConfig(join(EXAMPLES, 'kata/icapgw.yaml'), '/');
    const squidMinutes = Number(/^icap_io_timeout (\d+) minutes$/m.exec(exampleText('kata/squid.conf', {}))?.[1]);
    for (const { timeouts } of config?.services ?? []) {
      expect(timeouts.responseMs).toBeGreaterThanOrEqual(20 * 60_000);
      expect(timeouts.responseMs).toBeLessThan(squidMinutes * 60_000);
    }
  });

  test('gets the late verdict, asked of one sandbox only', async () => {
    await using gateway = await startGateway([kata.port, other.port], {});
    await using squid = await startRecipeSquid(gateway, 'kata');
    const { promise: verdict, resolve } = Promise.withResolvers<void>();
    const judged: string[] = [];
    const slow: ScriptBackend['script'] = async (exchange) => {
      if (exchange.head.method === 'REQMOD') return unmodified(exchange);
      judged.push(exchange.headText);
      await exchange.body();
      await verdict;
      exchange.send(blocked('sandboxed'));
    };
    kata.script = slow;
    other.script = slow;
    const fetched = squid.fetch(`${origin.url}/text`, undefined, ALICE);
    await vi.waitFor(() => expect(judged).toHaveLength(1), PATIENTLY);
    resolve();
    const answer = await fetched;
    expect({ status: answer.status, body: answer.body.toString() }).toEqual({ status: 403, body: 'sandboxed' });
    expect(judged).toHaveLength(1);
  });

  test('sends a file to nobody else when the sandbox that has it breaks off', async () => {
    await using gateway = await startGateway([kata.port, other.port], {});
    await using squid = await startRecipeSquid(gateway, 'kata');
    let asked = 0;
    const dying: ScriptBackend['script'] = async (exchange) => {
      if (exchange.head.method === 'REQMOD') return unmodified(exchange);
      asked += 1;
      await exchange.body();
      exchange.end();
    };
    kata.script = dying;
    other.script = dying;
    // when-down: bypass
    expect(await squid.fetch(`${origin.url}/text`, undefined, ALICE)).toMatchObject({ status: 200 });
    expect(asked).toBe(1);
    expect(await gateway.metric('icapgw_icap_bypassed_total', { service: 'kata', rule: 'when-down' })).toBe(1);
  });

  test('gets an error in the end where none comes, and the file goes to nobody else', async () => {
    await using gateway = await startGateway([kata.port, other.port], { timeouts: { response: '2s' } });
    await using squid = await startRecipeSquid(gateway, 'kata');
    let asked = 0;
    const silent: ScriptBackend['script'] = async (exchange) => {
      if (exchange.head.method === 'REQMOD') return unmodified(exchange);
      asked += 1;
      await exchange.body();
      await exchange.stall();
    };
    kata.script = silent;
    other.script = silent;
    expect(await squid.fetch(`${origin.url}/text`, undefined, ALICE)).toMatchObject({ status: 500 });
    expect(asked).toBe(1);
    expect(await gateway.metric('icapgw_icap_verdicts_total', { service: 'kata', verdict: 'error' })).toBe(1);
  });
});
