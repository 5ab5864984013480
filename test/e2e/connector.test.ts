import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { BlockedReport } from '../../src/observe/blocked-report.ts';
import { type ConfigFolder, createConfigFolder } from '../_util/config-folder.ts';
import { spawnConnector, startConnector } from '../_util/e2e-connector.ts';
import { type FakeSmc, startFakeSmc } from '../_util/fake-smc.ts';

/** As the guide prints it. */
const GUIDE_EVENT = `
{
  "detail": {
    "type": "UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom",
    "service": {
      "action": {
        "awsApiCallAction": {
          "remoteIpDetails": {
            "ipAddressV4": "198.51.100.0"
          }
        }
      }
    }
  }
}
`;

const API_KEY = '00123456';

/** The file of the guide, with the values of a test. */
function guideConfig(smcUrl: string, more = ''): string {
  const { hostname, port } = new URL(smcUrl);
  return `
# Connector config
host: 127.0.0.1
port: 0
log_level: debug

# SMC config
smc_endpoint: http://${hostname}
smc_port: ${port}
smc_api_key: ${API_KEY}
smc_api_version: 6.7
blacklist_duration: 3600
exclude_engines:
  - NGFW 1
${more}`;
}

function createFolder(config: string): ConfigFolder {
  const folder = createConfigFolder({ 'config.yaml': config });
  chmodSync(join(folder.path, 'config.yaml'), 0o600);
  return folder;
}

const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2' }, { name: 'NGFW 3' }];

async function guideSmc(port = 0): Promise<FakeSmc> {
  return await startFakeSmc({ apiKey: API_KEY, engines: ENGINES, versions: ['6.7', '6.10'] }, port);
}

function addedTo(smc: FakeSmc, engine: string): readonly string[] {
  return smc.calls
    .filter((call) => call.operation === 'add' && call.engine === engine)
    .flatMap(({ body }) => [...body.matchAll(/"ip_network":"([^"]+)"/g)].map(([, network = '']) => network));
}

describe('the file of the guide', () => {
  test('its test event, posted as it is, comes to every engine that is not excluded, and is there after a restart', async () => {
    await using smc = await guideSmc();
    using folder = createFolder(guideConfig(smc.url));
    {
      await using connector = await startConnector({ folder: folder.path });
      expect(await (await fetch(connector.url)).text()).toBe('Running...');
      const response = await fetch(connector.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: GUIDE_EVENT,
      });
      expect([response.status, response.headers.get('x-icapgw-result'), await response.text()]).toEqual([
        200,
        'blocked=1, extended=0, ignored=0',
        'Success!',
      ]);
      await vi.waitFor(async () => expect(await connector.metric('icapgw_feed_queue_depth')).toBe(0), 10_000);
      expect(await connector.metric('icapgw_smc_up')).toBe(1);
      expect(addedTo(smc, 'NGFW 1')).toEqual([]);
      for (const engine of ['NGFW 2', 'NGFW 3']) {
        expect(addedTo(smc, engine)).toEqual(['198.51.100.0/32', '198.51.100.0/32']);
      }
      connector.signal('SIGTERM');
      expect(await connector.exited).toBe(0);
    }
    await using again = await startConnector({ folder: folder.path });
    expect(await again.post(JSON.parse(GUIDE_EVENT))).toEqual([200, 'blocked=0, extended=1, ignored=0']);
    expect(await again.metric('icapgw_feed_queue_depth')).toBe(0);
    expect(addedTo(smc, 'NGFW 2')).toHaveLength(2);
    expect(smc.complaints).toEqual([]);
  });

  test('with its placeholders is refused with each key that is not filled in', async () => {
    using folder = createFolder(
      guideConfig('http://smc:1').replace(API_KEY, '<SMC_API_KEY>').replace('smc\n', '<SMC>\n'),
    );
    await using connector = spawnConnector({ folder: folder.path });
    expect(await connector.exited).toBe(2);
    expect(connector.lines.join('\n')).toMatch(
      /config\.yaml:10: error: smc_api_key: still has the placeholder <SMC_API_KEY>/,
    );
  });

  test('stays ready while the SMC is away, and says so', async () => {
    const { url } = await freePort();
    using folder = createFolder(guideConfig(url));
    await using connector = await startConnector({ folder: folder.path });
    expect((await connector.post({ remote_ip: '198.51.100.7' }))[0]).toBe(200);
    await connector.waitForLine(/warning no addresses are relayed to the SMC/);
    expect(await connector.metric('icapgw_smc_up')).toBe(0);
    expect(await connector.metric('icapgw_feed_queue_depth')).toBe(1);
    const response = await fetch(`${connector.adminUrl}/readyz`);
    expect([response.status, await response.text()]).toEqual([200, 'ready\n']);
  });

  test('no secret comes to the log at any level', async () => {
    await using smc = await guideSmc();
    using folder = createFolder(guideConfig(smc.url, 'token: geheimes-token\n'));
    await using connector = await startConnector({ folder: folder.path });
    expect(await connector.post({ remote_ip: '198.51.100.7' }, { authorization: 'Bearer geheim-falsch' })).toEqual([
      401,
      null,
    ]);
    const response = await fetch(`${connector.url}?token=geheimes-token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"remote_ip":"198.51.100.7"}',
    });
    expect(response.status).toBe(200);
    await connector.waitForLine(/198\.51\.100\.7/);
    await vi.waitFor(async () => expect(await connector.metric('icapgw_smc_up')).toBe(1), 10_000);
    connector.signal('SIGTERM');
    await connector.exited;
    expect(connector.lines.join('\n')).not.toMatch(new RegExp(`geheim|${API_KEY}|JSESSIONID`));
  });
});

describe('kill -9', () => {
  test('after a 200 loses neither the block nor its relay', async () => {
    const { port, url } = await freePort();
    using folder = createFolder(guideConfig(url));
    {
      await using connector = await startConnector({ folder: folder.path });
      expect((await connector.post(JSON.parse(GUIDE_EVENT)))[0]).toBe(200);
      connector.signal('SIGKILL');
      await connector.exited;
    }
    await using smc = await guideSmc(port);
    await using again = await startConnector({ folder: folder.path });
    await vi.waitFor(() => expect(addedTo(smc, 'NGFW 2')).toHaveLength(2), 15_000);
    expect(await again.post(JSON.parse(GUIDE_EVENT))).toEqual([200, 'blocked=0, extended=1, ignored=0']);
    const [duration = 0] = [
      ...(smc.calls.find(({ operation }) => operation === 'add')?.body ?? '').matchAll(/"duration":(\d+)/g),
    ].map(([, seconds]) => Number(seconds));
    expect(duration).toBeLessThanOrEqual(3600);
    expect(duration).toBeGreaterThan(3500);
  });

  test('while many come loses none that was answered 200', async () => {
    using folder = createFolder('feeds: { guardduty: { host: 127.0.0.1, port: 0, rate: 0/s, token: t } }\n');
    const taken = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      await using connector = await startConnector({ folder: folder.path });
      const senders = Array.from({ length: 8 }, async (_, sender) => {
        for (let number = 0; ; number += 1) {
          const address = `203.0.${round * 8 + sender}.${number}`;
          const [code] = await connector.post({ remote_ip: address }, { 'x-icapgw-token': 't' });
          if (code === 200) taken.add(address);
          if (taken.size >= (round + 1) * 150) connector.signal('SIGKILL');
        }
      });
      // Each ends when nobody answers any more.
      expect((await Promise.allSettled(senders)).every(({ status }) => status === 'rejected')).toBe(true);
      await connector.exited;
    }
    await using connector = await startConnector({ folder: folder.path });
    const all = [...taken].map((address) => ({ remote_ip: address }));
    expect(await connector.post(all, { authorization: 'Bearer t' })).toEqual([
      200,
      `blocked=0, extended=${taken.size}, ignored=0`,
    ]);
  });
});

describe('the state', () => {
  const CONFIG = 'feeds: { duration: 2s, state-dir: state, guardduty: { host: 127.0.0.1, port: 0, token: t } }\n';
  const TOKEN = { 'x-icapgw-token': 't' };

  test('is in a folder of its own, for nobody else, and of one process', async () => {
    using folder = createFolder(CONFIG);
    await using connector = await startConnector({ folder: folder.path });
    expect(await connector.post({ remote_ip: '198.51.100.1' }, TOKEN)).toEqual([
      200,
      'blocked=1, extended=0, ignored=0',
    ]);
    expect(statSync(join(folder.path, 'state')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder.path, 'state/feeds.db')).mode & 0o777).toBe(0o600);
    await using second = spawnConnector({ folder: folder.path });
    expect(await second.exited).toBe(1);
    expect(second.lines.join('\n')).toMatch(/another process works with it.*\[ICAPGW_FEED_STATE\]/);
  });

  test('that is damaged is set aside, and the connector starts', async () => {
    using folder = createFolder(CONFIG.replace('state-dir: state', 'state-dir: .'));
    writeFileSync(join(folder.path, 'feeds.db'), 'this is no database'.repeat(300));
    await using connector = await startConnector({ folder: folder.path });
    await connector.waitForLine(/error +the state of the feed could not be read/);
    expect(readdirSync(folder.path)).toEqual(expect.arrayContaining([expect.stringMatching(/^feeds\.db\.damaged-/)]));
    expect((await connector.post({ remote_ip: '198.51.100.1' }, TOKEN))[0]).toBe(200);
  });

  test('that cannot be written makes it unready, and keeps findings with their senders', async () => {
    using folder = createFolder(CONFIG);
    await using connector = await startConnector({ folder: folder.path });
    const ready = async (): Promise<string> => await (await fetch(`${connector.adminUrl}/readyz`)).text();
    expect(await ready()).toBe('ready\n');
    renameSync(join(folder.path, 'state/feeds.db'), join(folder.path, 'state/elsewhere.db'));
    expect((await connector.post({ remote_ip: '198.51.100.1' }, TOKEN))[0]).toBe(503);
    expect(await ready()).toMatch(/^not ready: findings cannot be kept: /);
    const { queue } = (await (await fetch(`${connector.adminUrl}/api/v1/blocked`)).json()) as BlockedReport;
    expect(queue?.trouble).toContain('is no longer the file that was opened');
    renameSync(join(folder.path, 'state/elsewhere.db'), join(folder.path, 'state/feeds.db'));
    expect((await connector.post({ remote_ip: '198.51.100.1' }, TOKEN))[0]).toBe(200);
    expect(await ready()).toBe('ready\n');
  });

  test('on a disk that fails to write keeps findings with their senders, and loses none that was taken', async () => {
    using folder = createFolder(CONFIG.replace('2s', '1h').replace('token: t', 'rate: 0/s, token: t'));
    const taken: string[] = [];
    {
      await using connector = await startConnector({ folder: folder.path });
      const limit = (bytes: string): void => {
        execFileSync('prlimit', ['--pid', String(connector.pid), `--fsize=${bytes}:unlimited`]);
      };
      const post = async (): Promise<number> => {
        const address = `203.0.${taken.length >> 8}.${taken.length & 255}`;
        const [code] = await connector.post({ remote_ip: address }, TOKEN);
        if (code === 200) taken.push(address);
        return code;
      };
      // As from a quota: SQLite is told that a write has failed, after some of it.
      limit('150000');
      let code = 200;
      while (code === 200) code = await post();
      expect(code).toBe(503);
      await connector.waitForLine(/error +findings cannot be kept, their senders are answered 503: .*disk I\/O error/);
      expect((await fetch(`${connector.adminUrl}/readyz`)).status).toBe(503);
      limit('unlimited');
      // It looks by itself whether the disk works again.
      await connector.waitForLine(/findings can be kept again/);
      expect(await post()).toBe(200);
      connector.signal('SIGKILL');
      await connector.exited;
    }
    await using again = await startConnector({ folder: folder.path });
    expect(await again.metric('icapgw_block_list_entries')).toBe(taken.length);
    expect(again.lines.join('\n')).not.toContain('could not be read');
  });

  test('that cannot even be begun ends the start with 1, and says what to do', async () => {
    using folder = createFolder(CONFIG);
    await using connector = spawnConnector({ folder: folder.path, after: 'ulimit -f 0' });
    expect(await connector.exited).toBe(1);
    expect(connector.lines.join('\n')).toMatch(
      /feeds\.db: disk I\/O error; look at the disk and its quota.*\[ICAPGW_FEED_STATE\]/,
    );
  });

  test('lets go of an address when its time is over', async () => {
    using folder = createFolder(CONFIG);
    await using connector = await startConnector({ folder: folder.path });
    await connector.post({ remote_ip: '198.51.100.1' }, TOKEN);
    await connector.waitForLine(/198\.51\.100\.1 is no longer blocked: its time is over/);
    expect(await connector.post({ remote_ip: '198.51.100.1' }, TOKEN)).toEqual([
      200,
      'blocked=1, extended=0, ignored=0',
    ]);
  });
});

test('SIGHUP reads secrets and lists again, and lifts what is allowed now', async () => {
  const config = (allow: string): string =>
    `feeds: { guardduty: { host: 127.0.0.1, port: 0, token-file: token } }\nblock-list: { allow: [${allow}] }\n`;
  using folder = createFolder(config(''));
  writeFileSync(join(folder.path, 'token'), 'first\n', { mode: 0o600 });
  await using connector = await startConnector({ folder: folder.path });
  const post = (token: string): ReturnType<typeof connector.post> =>
    connector.post({ remote_ip: '198.51.100.1' }, { authorization: `Bearer ${token}` });
  expect(await post('first')).toEqual([200, 'blocked=1, extended=0, ignored=0']);
  writeFileSync(join(folder.path, 'token'), 'second\n');
  writeFileSync(join(folder.path, 'config.yaml'), config('198.51.100.0/24'));
  connector.signal('SIGHUP');
  await connector.waitForLine(/198\.51\.100\.1 is no longer blocked: block-list\.allow has it/);
  await connector.waitForLine(/configuration reloaded/);
  expect(await post('first')).toEqual([401, null]);
  expect(await post('second')).toEqual([200, 'blocked=0, extended=0, ignored=1']);
  writeFileSync(join(folder.path, 'token'), '');
  connector.signal('SIGHUP');
  await connector.waitForLine(/not reloaded/);
  expect((await post('second'))[0]).toBe(200);
});

describe('a configuration by URL', () => {
  test('is fetched, kept, and served from the copy while the URL is away', async () => {
    using folder = createConfigFolder({});
    const config = 'feeds: { guardduty: { host: 127.0.0.1, port: 0, token: t } }\n';
    const { port, server } = await serve((path) => (path === '/config.yaml?sig=geheim' ? config : undefined));
    const env = { CONFIG_URL: `http://127.0.0.1:${port}/config.yaml?sig=geheim` };
    const copy = join(folder.path, 'icapgw-config.yaml');
    // As another version, or another user of the folder, has left it.
    writeFileSync(`${copy}.new`, 'unusable', { mode: 0o644 });
    {
      await using connector = await startConnector({ folder: folder.path, args: [], env });
      expect((await connector.post({ remote_ip: '198.51.100.1' }, { 'x-icapgw-token': 't' }))[0]).toBe(200);
      expect(readFileSync(copy, 'utf8')).toBe(config);
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      expect(existsSync(join(folder.path, 'feeds.db'))).toBe(true);
      expect(connector.lines.join('\n')).not.toContain('geheim');
    }
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    const before = createHash('sha256').update(readFileSync(copy)).digest('hex');
    await using connector = await startConnector({ folder: folder.path, args: ['-c', env.CONFIG_URL] });
    await connector.waitForLine(/warning .*cannot be fetched: .*ECONNREFUSED.*the copy of .* serves in its place/);
    expect(connector.lines.join('\n')).not.toContain('geheim');
    expect(await connector.post({ remote_ip: '198.51.100.1' }, { 'x-icapgw-token': 't' })).toEqual([
      200,
      'blocked=0, extended=1, ignored=0',
    ]);
    expect(createHash('sha256').update(readFileSync(copy)).digest('hex')).toBe(before);
  });

  test('that serves an error page is the copy, at the start and on SIGHUP, until it serves what can be used', async () => {
    using folder = createConfigFolder({});
    const configWith = (token: string): string =>
      `feeds: { guardduty: { host: 127.0.0.1, port: 0, token: ${token} } }\n`;
    let served = configWith('first');
    const { port, server } = await serve(() => served);
    const args = ['-c', `http://127.0.0.1:${port}/c.yaml`];
    {
      await using connector = await startConnector({ folder: folder.path, args });
      served = '<!DOCTYPE html><title>502 Bad Gateway</title>\n';
      connector.signal('SIGHUP');
      await connector.waitForLine(
        /warning .*serves what cannot be used \(line 1: .*the copy of .* serves in its place/,
      );
      await connector.waitForLine(/configuration reloaded/);
    }
    await using connector = await startConnector({ folder: folder.path, args });
    await connector.waitForLine(/warning .*serves what cannot be used/);
    const codeFor = async (token: string): Promise<number> =>
      (await connector.post({ remote_ip: '198.51.100.1' }, { 'x-icapgw-token': token }))[0];
    expect(await codeFor('first')).toBe(200);
    served = configWith('second');
    connector.signal('SIGHUP');
    await connector.waitForLine(/configuration reloaded/);
    expect([await codeFor('first'), await codeFor('second')]).toEqual([401, 200]);
    server.close();
  });

  test('that cannot be fetched and has no copy is worth another start', async () => {
    using folder = createConfigFolder({});
    const { port, server } = await serve(() => undefined);
    await using connector = spawnConnector({ folder: folder.path, args: ['-c', `http://127.0.0.1:${port}/c`] });
    expect(await connector.exited).toBe(1);
    expect(connector.lines.join('\n')).toContain('cannot be fetched: the server answered 404');
    server.close();
  });

  test('is needed, or a file', async () => {
    using folder = createConfigFolder({});
    await using connector = spawnConnector({ folder: folder.path, args: [], env: { CONFIG_URL: '' } });
    expect(await connector.exited).toBe(2);
    expect(connector.lines.join('\n')).toContain('CONFIG_URL');
  });
});

async function serve(
  textOf: (path: string) => string | undefined,
): Promise<{ port: number; server: ReturnType<typeof createServer> }> {
  const server = createServer((request, response) => {
    const text = textOf(request.url ?? '');
    response.writeHead(text === undefined ? 404 : 200).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}

/** A port that nobody listens on. */
async function freePort(): Promise<{ port: number; url: string }> {
  const { port, server } = await serve(() => undefined);
  server.close();
  await once(server, 'close');
  return { port, url: `http://127.0.0.1:${port}` };
}
