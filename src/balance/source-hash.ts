import { hashText, joinHashes } from './hash.ts';
import type { Candidate, Candidates, Draw, Policy } from './policy.ts';

/**
 * Sends equal keys to the same member by weighted rendezvous hashing: every member bids for every key, the highest bid
 * wins. A member that goes away loses its own keys and moves nobody else's.
 */
export function createSourceHash(): Policy {
  return {
    usesActive: false,

    choose<C extends Candidate>(candidates: Candidates<C>, draw: Draw): C {
      const key = hashText(draw.hashKey);
      let best = candidates[0];
      let highest = Number.NEGATIVE_INFINITY;
      for (const candidate of candidates) {
        // -weight / ln(u) with u uniform in (0, 1) wins in proportion to the weight.
        const u = (joinHashes(key, candidate.hash) + 0.5) / 2 ** 32;
        const bid = -candidate.weight / Math.log(u);
        if (bid > highest) {
          best = candidate;
          highest = bid;
        }
      }
      return best;
    },
  };
}
