import { parseArgs } from 'node:util';
import { haproxy } from './peer/haproxy.ts';
import { hitch } from './peer/hitch.ts';
import { icapgwIcap, icapgwTunnel } from './peer/icapgw.ts';
import { nginx } from './peer/nginx.ts';
import { node } from './peer/node.ts';
import type { Peer } from './peer/peer.ts';
import { stunnel } from './peer/stunnel.ts';
import { reduced, WORKLOADS, type Workload } from './workload.ts';

export interface BenchArguments {
  readonly peers: readonly Peer[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  /** In each round all peers are measured in turns, this many times. */
  readonly turns: number;
  /** Where the samples go as JSON. */
  readonly jsonFile: string | undefined;
}

const PEERS: readonly Peer[] = [icapgwTunnel, icapgwIcap, stunnel, haproxy, nginx, hitch, node];
const QUICK_DIVISOR = 5;

export const USAGE: string = `npm run bench -- [options]
  --peers A,B       of ${PEERS.map(({ name }) => name).join(', ')} (all)
  --workloads A,B   of ${WORKLOADS.map(({ name }) => name).join(', ')} (all)
  --rounds N        every peer is started N times for each workload (2)
  --turns N         in a round the peers take turns N times; the median counts (12)
  --warm-up N       N times the work of a turn is done before any counts (16 for 1k, 0.5 for idle, else 2)
  --quick           a fifth of the work, one round, two turns: a look, not a result
  --json FILE       writes every sample
`;

/** Throws TypeError or RangeError with a text for people. */
export function parseArguments(args: readonly string[]): BenchArguments | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string' },
      workloads: { type: 'string' },
      rounds: { type: 'string' },
      turns: { type: 'string' },
      'warm-up': { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const rounds = count('--rounds', values.rounds ?? (values.quick ? '1' : '2'));
  const turns = count('--turns', values.turns ?? (values.quick ? '2' : '12'));
  const warmUp = values['warm-up'] === undefined ? undefined : Number(values['warm-up']);
  if (warmUp !== undefined && !(warmUp >= 0 && warmUp <= 100))
    throw new RangeError('--warm-up takes a number from 0 to 100');
  const workloads = select(WORKLOADS, values.workloads, '--workloads');
  return {
    peers: select(PEERS, values.peers, '--peers'),
    workloads: workloads.map((workload) => ({
      ...(values.quick ? reduced(workload, QUICK_DIVISOR) : workload),
      ...(warmUp !== undefined && { warmUp }),
    })),
    rounds,
    turns,
    jsonFile: values.json,
  };
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${option} takes a whole number from 1 up`);
  return value;
}

function select<T extends { readonly name: string }>(
  all: readonly T[],
  names: string | undefined,
  option: string,
): T[] {
  if (names === undefined) return [...all];
  return names.split(',').map((name) => {
    const found = all.find((candidate) => candidate.name === name);
    if (found === undefined)
      throw new RangeError(`${option}: no ${name}; there are ${all.map((c) => c.name).join(', ')}`);
    return found;
  });
}
