import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import type { PathOptions } from '../../src/health/path-options.ts';
import { openLogger } from '../../src/observe/logger.ts';
import { Pool } from '../../src/runtime/pool.ts';
import { readConfig } from '../_util/config-text.ts';
import { type ScriptedResolver, scriptResolver } from '../_util/health-resolver.ts';
import { createFolder } from '../_util/observe-log.ts';

interface Wishes {
  readonly port: number;
  readonly protocol: 'icap' | 'tunnel';
  readonly service?: Readonly<Record<string, unknown>>;
  readonly backend?: Readonly<Record<string, unknown>>;
  readonly resolver?: ScriptedResolver;
}

/** The pool of a service with one backend, started. What it tells the workers is kept. */
async function startPool({ port, protocol, service, backend, resolver = scriptResolver({}) }: Wishes) {
  const folder = await createFolder();
  const backends = [{ name: 'dlp', address: `127.0.0.1:${port}`, ...backend }];
  const text = { name: 'dlp', listen: '127.0.0.1:0', protocol, tls: 'off', backends, ...service };
  const { config, problems } = readConfig(JSON.stringify({ services: [text] }));
  const [first] = config?.services ?? [];
  if (config === undefined || first === undefined) throw new Error(problems.join('; '));
  const log = await openLogger({
    ...config.log,
    file: folder.file('log'),
    serviceLevels: new Map(),
    color: false,
    complain: () => {},
  });
  const told: (readonly PathOptions[])[] = [];
  const checks: string[] = [];
  const pool = new Pool({
    earlier: undefined,
    ...{ config: first, backendMaterial: [undefined], workers: 1, resolver, log },
    onMembers: () => {},
    onOptions: (paths) => told.push(paths),
    onCheck: (_backend, result) => checks.push(result),
  });
  await pool.start();
  return {
    pool,
    logged: () => readFileSync(folder.file('log'), 'utf8'),
    told,
    checks,
    async [Symbol.asyncDispose]() {
      pool[Symbol.dispose]();
      await log[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('the backends of an ICAP service', () => {
  test('are asked what they say of the configured paths, and of those that clients name', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    const routes = [{ methods: ['REQMOD'], path: '/a', 'rewrite-path': '/reqmod' }];
    await using started = await startPool({ port: server.port, protocol: 'icap', service: { routes } });
    const { pool, told } = started;
    await vi.waitFor(() => expect(pool.paths.map(({ path }) => path)).toEqual(['/reqmod']));
    pool.learn('/avscan');
    await vi.waitFor(() => expect(pool.paths).toHaveLength(2));
    expect(told.at(-1)).toEqual([
      { path: '/reqmod', members: [expect.objectContaining({ slot: 0, backend: 0, status: 200 })] },
      { path: '/avscan', members: [expect.objectContaining({ options: expect.objectContaining({ allow204: true }) })] },
    ]);
  });
});

test('a client that invents paths is told of once', async () => {
  await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
  await using started = await startPool({ port: server.port, protocol: 'icap' });
  for (let path = 1; path <= 70; path += 1) started.pool.learn(`/${path}`);
  await vi.waitFor(() => expect(started.logged().match(/\/65/g)).toHaveLength(1));
  expect(started.logged()).not.toContain('/66');
});

test('a name whose address fails is asked for again, whatever its TTL', async () => {
  await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
  const { port } = server;
  const resolver = scriptResolver({ scanner: ['127.0.0.2'] });
  resolver.ttl = 600_000;
  const address = `scanner:${port}`;
  await using started = await startPool({ port, protocol: 'icap', backend: { address }, resolver });
  await vi.waitFor(() => expect(started.pool.stateOf('dlp')).toBe('down'));
  resolver.records.set('scanner', ['127.0.0.1']);
  const addresses = () => started.pool.members.map(({ addressText }) => addressText);
  await vi.waitFor(() => expect(addresses()).toEqual([`127.0.0.1:${port}`]), { timeout: 4_000 });
  await vi.waitFor(() => expect(started.checks).toContain('success'));
  expect(started.pool.stateOf('dlp')).toBe('up');
});

describe('the limit of a backend', () => {
  test.each(['icap', 'tunnel'] as const)('is what it advertises but one, in mode %s', async (protocol) => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0, maxConnections: 10 });
    await using started = await startPool({ port: server.port, protocol, service: { health: { type: 'icap' } } });
    await vi.waitFor(() => expect(started.pool.limitOf('dlp')).toBe(9));
    expect(started.pool.state.limitOf(0)).toBe(9);
  });

  test('is the configured one where there is one', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0, maxConnections: 10 });
    await using started = await startPool({ port: server.port, protocol: 'icap', backend: { 'max-connections': 4 } });
    await vi.waitFor(() => expect(started.checks).toContain('success'));
    expect(started.pool.limitOf('dlp')).toBe(4);
  });

  test('is none where nobody says one', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    const service = { health: { type: 'tcp' } };
    await using started = await startPool({ port: server.port, protocol: 'tunnel', service });
    await vi.waitFor(() => expect(started.checks).toContain('success'));
    expect(started.pool.limitOf('dlp')).toBeUndefined();
    expect(started.pool.paths).toEqual([]);
  });
});

test('a backend is checked by its verdicts where that is asked for', async () => {
  await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
  const service = { health: { path: '/avscan', deep: 'on' } };
  await using started = await startPool({ port: server.port, protocol: 'icap', service });
  await vi.waitFor(() => expect(started.checks).toContain('success'));
});
