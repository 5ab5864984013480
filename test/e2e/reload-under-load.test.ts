import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { laterEvent, reloadWith, rewriteConfig } from '../_util/e2e-reload.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { createIcapVisitor, type VisitOptions } from '../_util/icap-visitor.ts';

const lab = certificates();
const LOAD_MS = 1000 * Number(process.env['ICAPGW_RELOAD_SECONDS'] ?? 6);
const RELOAD_MS = 250;
const RELOADS_WITHOUT_LOAD = Number(process.env['ICAPGW_RELOADS'] ?? 100);
const MB = 1_000_000;
const HELD_BYTES = 64 * MB;
/** What memory may grow by between half of the reloads and the last: until then three heaps find their size. */
const GROWTH_KB = 24 * 1024;

const SMALL = 'harmless '.repeat(50);
const LARGE = 'harmless '.repeat(20 * MB).slice(0, 20 * MB);
const WAYS: readonly VisitOptions[] = (['REQMOD', 'RESPMOD'] as const).flatMap((method) => [
  { method, allow204: true },
  { method, previewBytes: 1024 },
  { method },
]);

/** Reloads again and again, the configuration before or after each being another, until the load is over. */
async function keepReloading(gateway: RunningGateway, config: (turn: number) => object, load: Load): Promise<number> {
  const endMs = performance.now() + LOAD_MS;
  let turn = 0;
  for (; performance.now() < endMs && load.failures.length === 0; turn += 1) {
    const from = gateway.events.length;
    rewriteConfig(gateway, config(turn));
    gateway.signal('SIGHUP');
    await laterEvent(gateway, from, ['reloaded', 'reload-failed']);
    await delay(RELOAD_MS);
  }
  load.isOver = true;
  return turn;
}

/** What all clients of a test share. */
interface Load {
  isOver: boolean;
  done: number;
  readonly failures: unknown[];
}

/** Lets a client do its work again and again, and notes what fails. */
async function repeat(load: Load, what: string, once: (turn: number) => Promise<boolean>): Promise<void> {
  for (let turn = 0; !load.isOver; turn += 1) {
    const result = await once(turn).catch(String);
    load.done += 1;
    if (result !== true) load.failures.push({ what, turn, result });
  }
}

function trusting(turn: number): object {
  const { cert, key } = turn % 2 === 0 ? lab.server : lab.rsaServer;
  const ca = turn % 3 === 0 ? [lab.ca.cert, lab.otherCa.cert] : lab.ca.cert;
  return { tls: { cert, key, 'client-auth': { ca } } };
}

/** The first one always; the second one comes and goes; the third changes its weight and place. */
function changing(turn: number, ports: readonly number[]): readonly object[] {
  const [first, second, third] = ports.map((port, index) => ({
    name: ['first', 'second', 'third'][index],
    address: `127.0.0.1:${port}`,
  }));
  const weighed = { ...third, weight: 1 + (turn % 5), 'max-connections': 200 + turn };
  const all = turn % 2 === 0 ? [first, second, weighed] : [weighed, first];
  return all as readonly object[];
}

function limits(turn: number): object {
  return { connections: 400 + (turn % 7), 'connections-per-source': 200 + (turn % 5) };
}

test(
  'ICAP under mixed load: reloads that change everything cost no transaction',
  async () => {
    const servers = await Promise.all(
      [0, 1, 2].map(() => startIcapServer({ host: '127.0.0.1', port: 0, maxHeldBytes: HELD_BYTES })),
    );
    await using first = servers[0] as (typeof servers)[0];
    await using second = servers[1] as (typeof servers)[0];
    await using third = servers[2] as (typeof servers)[0];
    const ports = [first, second, third].map(({ port }) => port);
    const config = (turn: number): object => ({
      workers: 2,
      log: { level: 'info' },
      services: [
        icapService('clear', changing(turn, ports), { limits: limits(turn) }),
        icapService('secure', changing(turn + 1, ports), { limits: limits(turn), ...trusting(turn) }),
      ],
    });
    await using gateway = await startGateway(config(0));
    const clear = { port: gateway.port('clear'), path: '/scan' };
    const secure = { port: gateway.port('secure'), path: '/scan', tls: lab.client };
    const load: Load = { isOver: false, done: 0, failures: [] };

    const keptAlive = async (index: number): Promise<void> => {
      await using client = createIcapVisitor(index % 2 === 0 ? clear : secure);
      await repeat(load, 'kept-alive', async (turn) => {
        const { verdict, bodyChanged } = await client.visit(SMALL, WAYS[turn % WAYS.length]);
        return verdict === 'allowed' && bodyChanged !== true;
      });
      // A session goes on under every configuration.
      if (client.connectionCount !== 1) load.failures.push({ what: 'kept-alive', connections: client.connectionCount });
    };
    const oneEach = (index: number): Promise<void> =>
      repeat(load, 'one connection each', async (turn) => {
        await using client = createIcapVisitor(index % 3 === 0 ? clear : secure);
        const { verdict, bodyChanged } = await client.visit(SMALL, WAYS[turn % WAYS.length]);
        return verdict === 'allowed' && bodyChanged !== true;
      });
    const large = async (index: number): Promise<void> => {
      await using client = createIcapVisitor(index % 2 === 0 ? clear : secure);
      // No 204: all of it comes back, and is compared.
      await repeat(load, '20 MB', async () => {
        const { verdict, bodyChanged } = await client.visit(LARGE, { method: 'RESPMOD' });
        return verdict === 'allowed' && bodyChanged === false;
      });
    };

    const clients = [
      ...Array.from({ length: 4 }, (_, index) => keptAlive(index)),
      ...Array.from({ length: 3 }, (_, index) => oneEach(index)),
      ...Array.from({ length: 2 }, (_, index) => large(index)),
    ];
    const turns = await keepReloading(gateway, config, load);
    await Promise.all(clients);
    expect(load.failures).toEqual([]);
    expect(load.done).toBeGreaterThan(turns);
    expect(turns).toBeGreaterThan(LOAD_MS / RELOAD_MS / 4);
    expect(await gateway.metric('icapgw_config_reloads_total', { result: 'success' })).toBe(turns);
    // What was counted under earlier configurations is carried over several times a second.
    await expect.poll(() => gateway.metric('icapgw_icap_verdicts_total', { verdict: 'allowed' })).toBe(load.done);
    expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
  },
  LOAD_MS + 60_000,
);

test(
  'tunnels under mixed load: reloads that change everything cost no connection and no byte',
  async () => {
    await using first = await startTunnelBackend();
    await using second = await startTunnelBackend();
    await using third = await startTunnelBackend();
    const ports = [first, second, third].map(({ port }) => port);
    const config = (turn: number): object => ({
      ...tunnelConfig(changing(turn, ports), { limits: limits(turn), ...trusting(turn) }),
      log: { level: 'info' },
    });
    await using gateway = await startGateway(config(0));
    const port = gateway.port('tunnel');
    const client = { cert: readFileSync(lab.client.cert), key: readFileSync(lab.client.key) };
    const load: Load = { isOver: false, done: 0, failures: [] };

    const exchange = async (bytes: Buffer): Promise<boolean> => {
      const socket = dialTunnel(port, client);
      const answer = receive(socket);
      socket.end(bytes);
      const isSame = (await answer).equals(bytes);
      socket.destroy();
      return isSame;
    };
    const keptOpen = async (): Promise<void> => {
      const socket = dialTunnel(port, client);
      await repeat(load, 'kept open', async () => await pingPong(socket, randomBytes(2000)));
      socket.destroy();
    };
    const small = randomBytes(3000);
    const large = randomBytes(20 * MB);
    const clients = [
      ...Array.from({ length: 4 }, () => keptOpen()),
      ...Array.from({ length: 3 }, () => repeat(load, 'one connection each', () => exchange(small))),
      ...Array.from({ length: 2 }, () => repeat(load, '20 MB', () => exchange(large))),
    ];
    const turns = await keepReloading(gateway, config, load);
    await Promise.all(clients);
    expect(load.failures).toEqual([]);
    expect(await gateway.metric('icapgw_config_reloads_total', { result: 'success' })).toBe(turns);
    expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
  },
  LOAD_MS + 60_000,
);

/** Sends and reads back as many bytes over a connection that stays open. */
async function pingPong(socket: TLSSocket, bytes: Buffer): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const chunks: Buffer[] = [];
  let length = 0;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= bytes.length) resolve(Buffer.concat(chunks).equals(bytes));
  };
  const onClose = (): void => reject(new Error(`closed after ${length} bytes`));
  socket.on('data', onData).once('close', onClose);
  if (socket.destroyed) onClose();
  socket.write(bytes);
  return await promise.finally(() => socket.off('data', onData).off('close', onClose));
}

describe.runIf(process.platform === 'linux')('memory', () => {
  test.each([
    ['nobody connected', false],
    ['a tunnel open all the while', true],
  ])(
    `is flat over ${RELOADS_WITHOUT_LOAD} reloads, with %s`,
    async (_, withClient) => {
      await using icap = await startIcapServer({ host: '127.0.0.1', port: 0 });
      await using tunnel = await startTunnelBackend();
      const config = (turn: number): object => ({
        workers: 2,
        log: { level: 'info' },
        services: [
          icapService('icap', changing(turn, [icap.port, icap.port, icap.port]), trusting(turn)),
          {
            ...icapService('tunnel', changing(turn, [tunnel.port, tunnel.port, tunnel.port])),
            ...{ protocol: 'tunnel', health: { type: 'tcp' } },
            ...trusting(turn),
          },
        ],
      });
      // Else the engine lets garbage lie until there are hundreds of megabytes of it.
      vi.stubEnv('NODE_OPTIONS', '--max-old-space-size=64');
      await using gateway = await startGateway(config(0)).finally(() => vi.unstubAllEnvs());
      const client = { cert: readFileSync(lab.client.cert), key: readFileSync(lab.client.key) };
      const socket = withClient ? dialTunnel(gateway.port('tunnel'), client) : undefined;
      if (socket !== undefined) expect(await pingPong(socket, randomBytes(100))).toBe(true);
      let rssAfterHalf = 0;
      for (let turn = 1; turn <= RELOADS_WITHOUT_LOAD; turn += 1) {
        expect((await reloadWith(gateway, config(turn))).isTaken).toBe(true);
        if (turn === RELOADS_WITHOUT_LOAD / 2) rssAfterHalf = rssKb(gateway);
      }
      expect(rssKb(gateway) - rssAfterHalf).toBeLessThan(GROWTH_KB);
      if (socket !== undefined) expect(await pingPong(socket, randomBytes(100))).toBe(true);
      socket?.destroy();
    },
    30_000 + RELOADS_WITHOUT_LOAD * 1000,
  );
});

function rssKb({ pid }: RunningGateway): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
