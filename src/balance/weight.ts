import type { Candidate, Candidates } from './policy.ts';

/** The sum of all weights. */
export function totalWeight(candidates: Candidates): number {
  let total = 0;
  for (const candidate of candidates) total += candidate.weight;
  return total;
}

/** The candidate in whose share of the total weight `point` (0 to 1) falls; `except` has no share. */
export function candidateAt<C extends Candidate>(candidates: Candidates<C>, point: number, except?: C): C {
  let left = point * (totalWeight(candidates) - (except?.weight ?? 0));
  let last = candidates[0];
  for (const candidate of candidates) {
    if (candidate === except) continue;
    last = candidate;
    left -= candidate.weight;
    if (left < 0) break;
  }
  return last;
}

/** Below 0 when `a` carries less for its weight than `b`. Cross-multiplied: exact, where a quotient would round. */
export function compareLoad(a: Candidate, b: Candidate): number {
  return a.active * b.weight - b.active * a.weight;
}

/** The greatest number that divides all weights. */
export function weightDivisor(candidates: Candidates): number {
  let divisor = 0;
  for (const candidate of candidates) {
    let rest = candidate.weight;
    while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
    if (divisor === 1) break;
  }
  return divisor;
}
