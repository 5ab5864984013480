import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LoadedConfig } from '../../src/config/load.ts';
import { loadConnectorConfig } from '../../src/runtime/connector-config.ts';
import { certificates } from '../_util/certificates.ts';
import { type ConfigFolder, createConfigFolder } from '../_util/config-folder.ts';

const GOOD = 'feeds: { guardduty: { token: t } }\n';
const lab = certificates();
const before = getCACertificates('default');

beforeAll(() => setDefaultCACertificates([...before, readFileSync(lab.ca.cert, 'utf8')]));
afterAll(() => setDefaultCACertificates(before));

interface Origin extends AsyncDisposable {
  readonly url: string;
  /** What is answered from now on: a text, or whatever a function does. */
  answer: string | ((request: IncomingMessage, response: ServerResponse) => void);
  readonly authorizations: readonly (string | undefined)[];
}

async function startOrigin(kind: 'http' | 'https' = 'http', answer: Origin['answer'] = GOOD): Promise<Origin> {
  const authorizations: (string | undefined)[] = [];
  const listener: RequestListener = (request, response) => {
    authorizations.push(request.headers.authorization);
    if (typeof origin.answer === 'string') response.end(origin.answer);
    else origin.answer(request, response);
  };
  const pem = readFileSync(lab.server.combined);
  const server: Server = kind === 'http' ? createServer(listener) : createTlsServer({ cert: pem, key: pem }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = {
    ...{ answer, authorizations },
    url: `${kind}://localhost:${(server.address() as AddressInfo).port}/feed.yaml`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return origin;
}

async function load(url: string, folder: ConfigFolder): Promise<LoadedConfig> {
  return await loadConnectorConfig({ source: url, admin: undefined, cwd: folder.path, env: {}, streams: false });
}

function told({ problems }: LoadedConfig): readonly string[] {
  return problems.map(({ severity, message }) => `${severity}: ${message}`);
}

function leadTo(location: string, status = 302): Origin['answer'] {
  return (_, response) => response.writeHead(status, { location }).end();
}

const HTML = '<!DOCTYPE html>\n<html><body><h1>Sign in</h1></body></html>\n';

describe('what comes and cannot be used', () => {
  test.each([
    ['an error page', HTML, /serves what cannot be used \(.+\)/],
    ['wrong YAML', 'feeds: { guardduty: [\n', /serves what cannot be used \(line \d+: .+\)/],
    ['nothing', '', /serves what cannot be used \(.+\)/],
    ['an unknown key', 'feeds: { guarduty: {} }\n', /\(line 1: feeds\.guarduty: is not a known key; did you mean/],
    [
      'a secret that is not there',
      GOOD.replace('token: t', 'token-file: none'),
      /the token of the feed: .*none does not/,
    ],
    ['an open admin endpoint', `${GOOD}admin: { listen: 0.0.0.0:9344 }\n`, /admin.*can be reached from elsewhere/],
    ['many mistakes', `${GOOD}a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n`, /line 4: .*; 2 more\)/],
  ])('%s: the copy serves, and stays as it is', async (_, text, reason) => {
    using folder = createConfigFolder({});
    const copy = join(folder.path, 'icapgw-config.yaml');
    await using origin = await startOrigin();
    expect((await load(origin.url, folder)).config?.feeds?.guardDuty?.token.value).toBe('t');
    const kept = statSync(copy).mtime.toISOString();
    origin.answer = text;
    const loaded = await load(origin.url, folder);
    expect(loaded.config?.feeds?.guardDuty?.token.value).toBe('t');
    expect(told(loaded)[0]).toMatch(reason);
    expect(told(loaded)[0]).toMatch(/^warning: /);
    expect(told(loaded)[0]?.endsWith(`; the copy of ${kept} serves in its place`)).toBe(true);
    expect(loaded.problems.every(({ severity }) => severity === 'warning')).toBe(true);
    expect(readFileSync(copy, 'utf8')).toBe(GOOD);
    expect(existsSync(`${copy}.new`)).toBe(false);
  });

  test('without a copy is an error, told as that of a file', async () => {
    using folder = createConfigFolder({});
    await using origin = await startOrigin('http', 'feeds: { guarduty: {} }\n');
    const loaded = await load(origin.url, folder);
    expect(loaded.config).toBeUndefined();
    expect(loaded.problems).toContainEqual(
      expect.objectContaining({
        severity: 'error',
        file: origin.url,
        line: 1,
        message: expect.stringContaining('guarduty'),
      }),
    );
    expect(existsSync(join(folder.path, 'icapgw-config.yaml'))).toBe(false);
  });

  test('with a copy that cannot be used either is an error', async () => {
    using folder = createConfigFolder({});
    await using origin = await startOrigin('http', HTML);
    writeFileSync(join(folder.path, 'icapgw-config.yaml'), 'feed: {}\n');
    const loaded = await load(origin.url, folder);
    expect(loaded.config).toBeUndefined();
    expect(told(loaded).join('\n')).toMatch(/serves in its place[\s\S]*error: feed: is not a known key/);
  });

  test('is replaced by the next that can be used', async () => {
    using folder = createConfigFolder({});
    await using origin = await startOrigin('http', HTML);
    expect((await load(origin.url, folder)).config).toBeUndefined();
    origin.answer = GOOD.replace('token: t', 'token: u');
    const loaded = await load(origin.url, folder);
    expect(told(loaded)).toEqual([]);
    expect(loaded.config?.feeds?.guardDuty?.token.value).toBe('u');
  });

  test('larger than any configuration is not read to its end', async () => {
    using folder = createConfigFolder({});
    await using origin = await startOrigin('http', (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    });
    expect(told(await load(origin.url, folder))).toEqual([
      expect.stringMatching(/cannot be fetched: it is larger than/),
    ]);
  });
});

describe('a redirect', () => {
  test('from https to http is not followed, and the copy serves', async () => {
    using folder = createConfigFolder({});
    await using clear = await startOrigin('http', GOOD.replace('token: t', 'token: evil'));
    await using secure = await startOrigin('https');
    expect((await load(secure.url, folder)).config?.feeds?.guardDuty?.token.value).toBe('t');
    secure.answer = leadTo(clear.url);
    const loaded = await load(secure.url, folder);
    expect(told(loaded)[0]).toMatch(/^warning: cannot be fetched: the server leads from https to http, .* serves in/);
    expect(loaded.config?.feeds?.guardDuty?.token.value).toBe('t');
    expect(clear.authorizations).toEqual([]);
  });

  test('that goes through http on the way from https to https is not followed either', async () => {
    using folder = createConfigFolder({});
    await using target = await startOrigin('https');
    await using clear = await startOrigin('http', leadTo(target.url));
    await using secure = await startOrigin('https', leadTo(clear.url));
    expect(told(await load(secure.url, folder))).toEqual([expect.stringContaining('leads from https to http')]);
    expect(target.authorizations).toEqual([]);
  });

  test.each([301, 302, 303, 307, 308])('%i to the same protocol is followed, without the password', async (status) => {
    using folder = createConfigFolder({});
    await using target = await startOrigin('https');
    await using secure = await startOrigin('https', leadTo(target.url, status));
    const loaded = await load(secure.url.replace('https://', 'https://user:geheim@'), folder);
    expect(loaded.config?.feeds?.guardDuty?.token.value).toBe('t');
    expect(secure.authorizations).toEqual([`Basic ${Buffer.from('user:geheim').toString('base64')}`]);
    expect(target.authorizations).toEqual([undefined]);
    expect(JSON.stringify(loaded.problems)).not.toContain('geheim');
  });

  test.each([
    ['in a circle', '/feed.yaml', 'more than 5 times'],
    ['to a file', 'file:///etc/passwd', 'neither http nor https'],
    ['to nowhere', 'http://[', 'answered 302'],
  ])('%s is not followed', async (_, location, reason) => {
    using folder = createConfigFolder({});
    await using origin = await startOrigin('http', leadTo(location));
    expect(told(await load(origin.url, folder))).toEqual([expect.stringContaining(reason)]);
  });
});
