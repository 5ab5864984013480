/** Runs icapgw beside other TLS proxies on this machine and prints what a unit of work costs each of them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchArguments, parseArguments, USAGE } from './arguments.ts';
import { writeCertificates } from './certificates.ts';
import { startBackend } from './child.ts';
import { Contender, type Sample } from './measurement.ts';
import type { Peer } from './peer/peer.ts';
import { killPeers } from './peer/start.ts';
import { formatReport } from './report.ts';

/** Holds private keys, so it goes however the process ends. */
function createFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'icapgw-bench-'));
  process.once('exit', () => rmSync(path, { recursive: true, force: true }));
  return path;
}

function versionOf(peer: Peer): string {
  const program = peer.find();
  if (program === undefined) return 'not installed';
  const { stdout, stderr } = spawnSync(program, peer.versionArguments, { encoding: 'utf8' });
  return /\d+\.\d+[\w.]*/.exec(stdout + stderr)?.[0] ?? 'version unknown';
}

/** Each time beginning with another one, so that none is always first after a pause. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

/** One peer that cannot do one thing is a gap in the table, not the end of the others' measurements. */
async function unlessItFails<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    process.stderr.write(`  failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** What it left undone must not run into the turns of the others. */
async function withdraw(contenders: Contender[], failed: Contender): Promise<void> {
  contenders.splice(contenders.indexOf(failed), 1);
  await failed[Symbol.asyncDispose]();
}

async function collectSamples({ peers, workloads, rounds, turns }: BenchArguments, folder: string): Promise<Sample[]> {
  const certificates = await writeCertificates(folder);
  using backend = await startBackend();
  const samples: Sample[] = [];
  const collect = async (contenders: Contender[], turn: number): Promise<void> => {
    for (const contender of rotated(contenders, turn)) {
      const sample = await unlessItFails(() => contender.measure(turn));
      if (sample !== undefined) samples.push(sample);
      else await withdraw(contenders, contender);
    }
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const workload of workloads) {
      await using ready = new AsyncDisposableStack();
      const contenders: Contender[] = [];
      for (const peer of rotated(peers, round)) {
        process.stderr.write(`round ${round + 1}/${rounds}  ${workload.title}  ${peer.name}\n`);
        const options = { peer, workload, folder, backendPort: backend.port, certificates };
        const contender = await unlessItFails(() => Contender.start(options));
        if (contender === undefined) continue;
        if (workload.connection === 'idle') {
          // What is measured is held open, so there is one turn, and nobody else beside it.
          await collect([contender], round);
          await contender[Symbol.asyncDispose]();
        } else {
          contenders.push(ready.use(contender));
        }
      }
      if (contenders.length > 0) process.stderr.write(`  ${turns} turns\n`);
      for (let turn = 0; turn < turns; turn += 1) await collect(contenders, round * turns + turn);
    }
  }
  return samples;
}

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(USAGE);
    return;
  }
  const peers = options.peers.filter((peer) => peer.find() !== undefined);
  const versions = options.peers.map((peer) => `${peer.name} ${versionOf(peer)}`).join(', ');
  const processors = cpus();
  const machine = `${processors.length} x ${processors[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`;
  process.stdout.write(`${versions}\n${machine}\n\n`);
  const samples = await collectSamples({ ...options, peers }, createFolder());
  const ours = peers.filter(({ isOurs }) => isOurs === true).map(({ name }) => name);
  const others = peers.filter(({ isOurs, isYardstick }) => isOurs !== true && isYardstick !== true);
  process.stdout.write(
    formatReport({
      samples,
      peers: peers.map(({ name }) => name),
      ours,
      others: others.map(({ name }) => name),
      workloads: options.workloads,
    }),
  );
  if (options.jsonFile === undefined) return;
  writeFileSync(options.jsonFile, `${JSON.stringify({ versions, machine, samples }, null, 2)}\n`);
}

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    killPeers();
    process.exit(1);
  });
}

try {
  if (process.platform !== 'linux') throw new Error('the measurements read /proc and need Linux');
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
