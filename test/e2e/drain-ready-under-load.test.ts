import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { getApi, postApi } from '../_util/e2e-ctl.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService, mutualTls, SCAN_PATH } from '../_util/e2e-icap.ts';
import { dialTunnel, receive, startTunnelBackend } from '../_util/e2e-tunnel.ts';
import { type ExchangeScript, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { createIcapVisitor, type IcapVisitor, type VisitOptions, type VisitorTarget } from '../_util/icap-visitor.ts';

const lab = certificates();
const identity = { cert: readFileSync(lab.client.cert), key: readFileSync(lab.client.key) };
const DRAINS = 200;
/** What the first backend gets while the second is drained, before it is ready again. */
const SENT_WHILE_DRAINED = { icap: 4, tunnel: 1 };
const SERVICES = ['clear', 'secure', 'tunnel'];
/** As long as a scan takes, so that a drain finds requests under way. */
const SCAN_MS = 3;
/** Between two messages over a tunnel that stays open: the machine has other things to do. */
const PAUSE_MS = 20;
/** Below the number of clients of a service: some wait for a place while one backend is drained. */
const PLACES = 2;
const WAIT = { timeout: 10_000, interval: 4 };

const SMALL = 'harmless '.repeat(300);
const WAYS: readonly VisitOptions[] = (['REQMOD', 'RESPMOD'] as const).flatMap((method) => [
  { method, allow204: true },
  { method, previewBytes: 1024 },
  { method },
]);

/** What all clients share. */
interface Load {
  isOver: boolean;
  visits: number;
  readonly failures: unknown[];
}

/** Lets a client do its work again and again, and notes what fails. */
async function repeat(load: Load, what: string, work: (turn: number) => Promise<boolean>): Promise<void> {
  for (let turn = 0; !load.isOver; turn += 1) {
    const result = await work(turn).catch(String);
    if (result !== true) load.failures.push({ what, turn, result });
  }
}

/** Scans for a while, then answers 204, or all that came where that is not permitted. */
const scan: ExchangeScript = async (exchange) => {
  await exchange.arrived();
  await delay(SCAN_MS);
  await unmodified(exchange);
};

test('a backend is drained and made ready two hundred times: no transaction fails, and none comes to it while drained', async () => {
  let answered = 0;
  await using first = await startScriptBackend(scan);
  await using second = await startScriptBackend(async (exchange) => {
    await scan(exchange);
    answered += 1;
  });
  await using firstTunnel = await startTunnelBackend();
  await using secondTunnel = await startTunnelBackend();
  const limited = backendsOn([first, second]).map((backend) => ({ ...backend, 'max-connections': PLACES }));
  const asTunnel = { protocol: 'tunnel', health: { type: 'tcp', interval: '200ms' } };
  await using gateway = await startGateway({
    workers: 2,
    log: { level: 'info' },
    services: [
      icapService('clear', limited),
      icapService('secure', limited, mutualTls()),
      icapService('tunnel', backendsOn([firstTunnel, secondTunnel]), { ...mutualTls(), ...asTunnel }),
    ],
  });
  const load: Load = { isOver: false, visits: 0, failures: [] };
  const kept = await Promise.all(Array.from({ length: 4 }, () => openTunnel(gateway)));
  // They stay where they are, whatever is drained.
  const [, , keptAtSecond] = await activeAtSecond(gateway);
  expect(keptAtSecond).toBeGreaterThan(0);
  const clients = Promise.all([
    ...Array.from({ length: 4 }, (_, index) => visitKeptAlive(gateway, load, index)),
    ...Array.from({ length: 2 }, (_, index) => visitOnce(gateway, load, index)),
    ...kept.map((socket) => repeat(load, 'tunnel kept open', () => isEchoed(socket).finally(() => delay(PAUSE_MS)))),
    ...Array.from({ length: 2 }, () => repeat(load, 'one tunnel each', () => exchange(gateway))),
  ]);

  const sent = (): { readonly icap: number; readonly tunnel: number } => ({
    icap: second.exchanges.length,
    tunnel: secondTunnel.served(),
  });
  const late: unknown[] = [];
  let underWay = 0;
  try {
    for (let turn = 0; turn < DRAINS && load.failures.length === 0; turn += 1) {
      await setSecond(gateway, 'drain');
      underWay += second.exchanges.length - answered;
      await vi.waitUntil(async () => `${await activeAtSecond(gateway)}` === `0,0,${keptAtSecond}`, WAIT);
      const before = sent();
      const enough = {
        icap: first.exchanges.length + SENT_WHILE_DRAINED.icap,
        tunnel: firstTunnel.served() + SENT_WHILE_DRAINED.tunnel,
      };
      await vi.waitUntil(() => first.exchanges.length >= enough.icap && firstTunnel.served() >= enough.tunnel, WAIT);
      const after = sent();
      if (!isDeepStrictEqual(after, before)) late.push({ turn, before, after });
      await setSecond(gateway, 'ready');
      await vi.waitUntil(() => sent().icap > after.icap, WAIT);
    }
  } finally {
    load.isOver = true;
    await clients;
    for (const socket of kept) socket.destroy();
  }
  expect(load.failures).toEqual([]);
  expect(late).toEqual([]);
  // Else the drains had nothing to spare.
  expect(underWay).toBeGreaterThan(DRAINS / 4);
  expect(secondTunnel.served()).toBeGreaterThan(DRAINS / 10);
  await expect.poll(() => gateway.metric('icapgw_icap_verdicts_total', { verdict: 'allowed' })).toBe(load.visits);
  expect(first.exchanges.length + second.exchanges.length).toBe(load.visits);
  expect(await gateway.metric('icapgw_icap_retries_total')).toBe(0);
  expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
});

/** Connections in use at the second backend of each service. */
async function activeAtSecond(gateway: RunningGateway): Promise<readonly (number | undefined)[]> {
  const { services } = (await getApi(gateway, 'status')) as Status;
  return services.map(({ backends }) => backends.find(({ name }) => name === 'second')?.active);
}

interface Status {
  readonly services: readonly { readonly backends: readonly { readonly name: string; readonly active: number }[] }[];
}

/** As `icapgw ctl` does it, at all services. */
async function setSecond(gateway: RunningGateway, wish: 'drain' | 'ready'): Promise<void> {
  const answers = SERVICES.map((service) => postApi(gateway, `backends/${service}/second/${wish}`));
  expect(await Promise.all(answers)).toEqual(SERVICES.map((service) => ({ service, backend: 'second', set: wish })));
}

async function visitKeptAlive(gateway: RunningGateway, load: Load, index: number): Promise<void> {
  await using client = createIcapVisitor(target(gateway, index));
  await repeat(load, 'kept-alive', (turn) => visit(client, load, turn));
  const connections = client.connectionCount;
  if (connections !== 1) load.failures.push({ what: 'kept-alive', connections });
}

async function visitOnce(gateway: RunningGateway, load: Load, index: number): Promise<void> {
  await repeat(load, 'one connection each', async (turn) => {
    await using client = createIcapVisitor(target(gateway, index));
    return await visit(client, load, turn);
  });
}

function target(gateway: RunningGateway, index: number): VisitorTarget {
  if (index % 2 === 0) return { port: gateway.port('clear'), path: SCAN_PATH };
  return { port: gateway.port('secure'), path: SCAN_PATH, tls: lab.client };
}

async function visit(client: IcapVisitor, load: Load, turn: number): Promise<boolean> {
  load.visits += 1;
  const { verdict, bodyChanged } = await client.visit(SMALL, WAYS[turn % WAYS.length]);
  return verdict === 'allowed' && bodyChanged !== true;
}

async function openTunnel(gateway: RunningGateway): Promise<TLSSocket> {
  const socket = dialTunnel(gateway.port('tunnel'), identity);
  expect(await isEchoed(socket)).toBe(true);
  return socket;
}

/** Sends a little over a tunnel that stays open, and reads it back. */
async function isEchoed(socket: TLSSocket): Promise<boolean> {
  const bytes = randomBytes(500);
  socket.write(bytes);
  const answered = new AbortController();
  const { signal } = answered;
  const [echoed] = await Promise.race([once(socket, 'data', { signal }), once(socket, 'close', { signal })]);
  answered.abort();
  return Buffer.isBuffer(echoed) && echoed.equals(bytes);
}

/** One tunnel from its beginning to its end. */
async function exchange(gateway: RunningGateway): Promise<boolean> {
  const bytes = randomBytes(3000);
  const socket = dialTunnel(gateway.port('tunnel'), identity);
  socket.end(bytes);
  const answer = await receive(socket);
  socket.destroy();
  return answer.equals(bytes);
}
