import type { Candidate, Candidates, Draw, Policy } from './policy.ts';
import { candidateAt, compareLoad } from './weight.ts';

/**
 * Draws two different members by weight and takes the less loaded one: nearly as even as least connections, without
 * the herd that runs to a member which has just come back empty.
 */
export function createRandomTwo(): Policy {
  return {
    usesActive: true,

    choose<C extends Candidate>(candidates: Candidates<C>, draw: Draw): C {
      const first = candidateAt(candidates, draw.random());
      if (candidates.length === 1) return first;
      const second = candidateAt(candidates, draw.random(), first);
      return compareLoad(second, first) < 0 ? second : first;
    },
  };
}
