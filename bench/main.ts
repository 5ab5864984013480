/** Runs icapgw beside other TLS proxies on this machine and prints what a unit of work costs each of them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchArguments, parseArguments, USAGE } from './arguments.ts';
import { writeCertificates } from './certificates.ts';
import { startBackend } from './child.ts';
import { measure, type Sample } from './measurement.ts';
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

/** The peers of a round, each time beginning with another one, so that none is always first after a pause. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function collectSamples({ peers, workloads, rounds }: BenchArguments, folder: string): Promise<Sample[]> {
  const certificates = await writeCertificates(folder);
  using backend = await startBackend();
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const workload of workloads) {
      for (const peer of rotated(peers, round)) {
        process.stderr.write(`round ${round + 1}/${rounds}  ${workload.title}  ${peer.name}\n`);
        try {
          samples.push(await measure({ peer, workload, round, folder, backendPort: backend.port, certificates }));
        } catch (error) {
          // One peer that cannot do one thing is a gap in the table, not the end of the others' measurements.
          process.stderr.write(`  failed: ${error instanceof Error ? error.message : String(error)}\n`);
          process.exitCode = 1;
        }
      }
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
  process.stdout.write(
    formatReport({ samples, peers: peers.map(({ name }) => name), ours, workloads: options.workloads }),
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
