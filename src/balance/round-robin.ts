import type { Candidate, Candidates, Draw, Policy } from './policy.ts';
import { totalWeight, weightDivisor } from './weight.ts';

/**
 * Takes turns, heavier members more often. The ticket alone decides, so all workers together form one sequence, in
 * which every cycle of (sum of weights) tickets gives each member exactly its weight, evenly spread.
 */
export function createRoundRobin(): Policy {
  const turns: number[] = [];
  return {
    usesActive: false,

    choose<C extends Candidate>(candidates: Candidates<C>, draw: Draw): C {
      const divisor = weightDivisor(candidates);
      const cycle = totalWeight(candidates) / divisor;
      const rank = draw.ticket % cycle;
      if (cycle === candidates.length) return candidates[rank] ?? candidates[0];
      return candidateOfRank(candidates, divisor, cycle, rank, turns);
    },
  };
}

/**
 * Turn k of candidate i (of n, with weight w) is due at (k + (2i + 1) / 2n) / w of the cycle: w turns at equal
 * distances, staggered between candidates. Returns whose turn stands at `rank` when all turns are sorted by that time.
 * All arithmetic is on integers below 2^53, so each turn has exactly one rank.
 */
function candidateOfRank<C extends Candidate>(
  candidates: Candidates<C>,
  divisor: number,
  cycle: number,
  rank: number,
  turns: number[],
): C {
  const n = candidates.length;
  // By the time (rank - n/2) / cycle at most `rank` turns are over: count those at once, then walk the last few.
  let over = 0;
  for (const [i, candidate] of candidates.entries()) {
    const due = (2 * rank - n) * n * (candidate.weight / divisor) - (2 * i + 1) * cycle;
    turns[i] = Math.max(0, Math.ceil(due / (2 * n * cycle)));
    over += turns[i] ?? 0;
  }
  for (;;) {
    const i = nextDue(candidates, turns);
    if (over === rank) return candidates[i] ?? candidates[0];
    turns[i] = (turns[i] ?? 0) + 1;
    over += 1;
  }
}

function nextDue(candidates: Candidates, turns: readonly number[]): number {
  const n = candidates.length;
  let first = 0;
  let firstDue = 0;
  let firstWeight = 0;
  for (const [i, candidate] of candidates.entries()) {
    const due = 2 * n * (turns[i] ?? 0) + 2 * i + 1;
    if (i === 0 || due * firstWeight < firstDue * candidate.weight) {
      first = i;
      firstDue = due;
      firstWeight = candidate.weight;
    }
  }
  return first;
}
