/** Floods the threat feed of a gateway with findings and prints what that does to those who pass through it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type FeedClients, startFeedClients } from './feed-clients.ts';
import { startCountingSmc } from './feed-smc.ts';
import { cpuTimeOf } from './process-tree.ts';
import { percentile } from './statistics.ts';

const ROOT = join(import.meta.dirname, '..');
/** Addresses in one post while the list is filled. */
const FILL_COUNT = 10_000;

interface Gateway {
  readonly pid: number;
  readonly traffic: string;
  readonly feed: string;
}

interface Phase {
  readonly latencies: Float64Array;
  readonly cpuShare: number;
}

function portOf(address: string): number {
  return Number(/\d+$/.exec(address)?.[0]);
}

/** Resolves when it serves; its log goes nowhere. */
async function ready(child: ChildProcess): Promise<Gateway> {
  const found: Record<string, string> = {};
  if (child.stderr === null) throw new Error('the gateway has no standard error');
  for await (const line of createInterface(child.stderr)) {
    const { event, address } = JSON.parse(line) as { readonly event: string; readonly address?: string };
    if (address !== undefined) found[event] = address;
    if (event === 'ready') break;
  }
  child.stderr.resume();
  return { pid: child.pid ?? 0, traffic: found['listening'] ?? '', feed: found['feed-listening'] ?? '' };
}

async function pass(clients: FeedClients, gateway: Gateway, work: () => Promise<void>): Promise<Phase> {
  let cpuShare = 0;
  const latencies = await clients.during(portOf(gateway.traffic), async () => {
    const [startMs, before] = [performance.now(), cpuTimeOf(gateway.pid)];
    await work();
    const [passedMs, after] = [performance.now() - startMs, cpuTimeOf(gateway.pid)];
    cpuShare = (after.userMs + after.systemMs - before.userMs - before.systemMs) / passedMs;
  });
  return { latencies, cpuShare };
}

const agent = new Agent({ keepAlive: true });

interface FeedAnswer {
  readonly code: number;
  /** What became of the addresses, as `X-Icapgw-Result` says. */
  readonly result: string;
}

function post(feed: string, addresses: readonly string[]): Promise<FeedAnswer> {
  const body = JSON.stringify(addresses.map((address) => ({ remote_ip: address, event_type: 'Recon:EC2/Portscan' })));
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const sent = request(`http://${feed}/api/`, { method: 'POST', agent, headers }, (response) => {
      const { statusCode: code = 0, headers: answered } = response;
      const result = String(answered['x-icapgw-result'] ?? '');
      response.resume().once('end', () => resolve({ code, result }));
    });
    sent.once('error', reject).end(body);
  });
}

/** Public ones, each another. */
function addressAt(index: number): string {
  return `100.${(index >> 16) & 63}.${(index >> 8) & 255}.${index & 255}`;
}

/** Posts at a steady pace, whoever waits for an answer. Every second finding is one that was sent before. */
async function flood(feed: string, perMinute: number, seconds: number, from: number): Promise<Flood> {
  const codes = new Map<number, number>();
  const latencies: number[] = [];
  let [blocked, extended] = [0, 0];
  const count = Math.round((perMinute / 60) * seconds);
  const startMs = performance.now();
  const answers: Promise<void>[] = [];
  for (let index = 0; index < count; index += 1) {
    const waitMs = startMs + (index * 60_000) / perMinute - performance.now();
    if (waitMs > 1) await delay(waitMs);
    const sentMs = performance.now();
    answers.push(
      post(feed, [addressAt(from + (index >> 1))]).then(({ code, result }) => {
        latencies.push(performance.now() - sentMs);
        blocked += countIn(result, 'blocked');
        extended += countIn(result, 'extended');
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }),
    );
  }
  await Promise.all(answers);
  return { codes, blocked, extended, latencies: Float64Array.from(latencies).sort() };
}

interface Flood {
  readonly codes: ReadonlyMap<number, number>;
  /** Addresses that were new, and those that were not. */
  readonly blocked: number;
  readonly extended: number;
  readonly latencies: Float64Array;
}

const NOTHING: Flood = { codes: new Map(), blocked: 0, extended: 0, latencies: new Float64Array() };

function countIn(result: string, word: string): number {
  return Number(new RegExp(`\\b${word}=(\\d+)`).exec(result)?.[1] ?? 0);
}

function line(title: string, latencies: Float64Array, more: string): string {
  const [p50, p99, most] = [0.5, 0.99, 1].map((share) => percentile(latencies, share).toFixed(2));
  return `${title.padEnd(34)} p50 ${p50} ms, p99 ${p99} ms, most ${most} ms${more}\n`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'per-minute': { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '30' },
      held: { type: 'string', default: '50000' },
    },
  });
  const [perMinute, seconds, held] = [values['per-minute'], values.seconds, values.held].map(Number);
  if (!perMinute || !seconds || held === undefined || Number.isNaN(held)) throw new Error('numbers are wanted');
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-bench-feed-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await using clients = await startFeedClients();
  using smc = await startCountingSmc();
  const config = {
    ...{ log: { format: 'json', level: 'info' }, admin: { listen: 'off' }, workers: 2 },
    feeds: {
      ...{ 'state-dir': folder, blockable: ['100.64.0.0/10'], guardduty: { host: '127.0.0.1', port: 0 } },
      smc: { endpoint: smc.endpoint, 'api-key': 'bench' },
    },
    services: [
      {
        ...{ name: 'traffic', protocol: 'tunnel', listen: '127.0.0.1:0', tls: 'off', health: { type: 'none' } },
        backends: [{ address: `127.0.0.1:${clients.port}` }],
      },
    ],
  };
  const file = join(folder, 'bench.yaml');
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'dist/main.js'), 'run', '-c', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const gateway = await ready(child);
  for (let from = 0; from < held; from += FILL_COUNT) {
    const addresses = Array.from({ length: Math.min(FILL_COUNT, held - from) }, (_, index) => addressAt(from + index));
    const { code } = await post(gateway.feed, addresses);
    if (code !== 200) throw new Error(`the feed answered ${code}`);
  }
  while (smc.addressCount < held) await delay(100);
  let warm = NOTHING;
  await pass(clients, gateway, async () => {
    warm = await flood(gateway.feed, perMinute, 3, held);
  });
  const quiet = await pass(clients, gateway, () => delay(seconds * 1000));
  let findings = NOTHING;
  const flooded = await pass(clients, gateway, async () => {
    findings = await flood(gateway.feed, perMinute, seconds, held + perMinute);
  });
  const codes = Array.from(findings.codes, ([code, count]) => `${count} x ${code}`).join(', ');
  process.stdout.write(`${held} addresses held, ${perMinute} findings a minute for ${seconds} s\n`);
  process.stdout.write(line('1 KB through the gateway, quiet', quiet.latencies, `; ${share(quiet)} of a core`));
  process.stdout.write(line('1 KB through the gateway, flooded', flooded.latencies, `; ${share(flooded)} of a core`));
  process.stdout.write(line('answer to a finding', findings.latencies, `; ${codes}`));
  const wanted = held + warm.blocked + findings.blocked;
  while (smc.addressCount < wanted) await delay(100);
  const again = smc.toldCount - smc.addressCount;
  process.stdout.write(
    `${findings.blocked} addresses blocked, ${findings.extended} extended; the engine was told of each, ${again} more than once\n`,
  );
  child.kill('SIGTERM');
  agent.destroy();
}

function share({ cpuShare }: Phase): string {
  return `${(cpuShare * 100).toFixed(0)} %`;
}

await main();
