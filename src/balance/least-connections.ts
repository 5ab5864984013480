import type { Candidate, Candidates, Draw, Policy } from './policy.ts';
import { createRoundRobin } from './round-robin.ts';
import { compareLoad } from './weight.ts';

/** Chooses who holds the fewest connections for its weight. Equals take turns by weight, so an idle pool is not lopsided. */
export function createLeastConnections(): Policy {
  const turns = createRoundRobin();
  return {
    usesActive: true,

    choose<C extends Candidate>(candidates: Candidates<C>, draw: Draw): C {
      let least: [C, ...C[]] = [candidates[0]];
      for (const candidate of candidates.slice(1)) {
        const order = compareLoad(candidate, least[0]);
        if (order < 0) least = [candidate];
        else if (order === 0) least.push(candidate);
      }
      return turns.choose(least, draw);
    },
  };
}
