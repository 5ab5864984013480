import { WEIGHT_UNIT } from './pool-state.ts';

const FIRST_PART = 0.1;

/** The part of its weight that a member gets `elapsedMs` after it came back: from 10 % in a straight line to 1. */
export function slowStartPart(elapsedMs: number, windowMs: number): number {
  if (elapsedMs >= windowMs) return 1;
  return FIRST_PART + (1 - FIRST_PART) * (elapsedMs / windowMs);
}

/** A configured weight in the units of PoolState. Only a weight of 0 becomes 0: a slow start is not a standstill. */
export function effectiveWeight(weight: number, part: number): number {
  if (weight === 0) return 0;
  return Math.max(1, Math.round(weight * WEIGHT_UNIT * part));
}
