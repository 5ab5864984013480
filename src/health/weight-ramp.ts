import { slowStartPart } from '../balance/slow-start.ts';

const STEPS = 20;
const SHORTEST_STEP_MS = 100;

/** Calls back with the part of its weight that a member gets, at once and in steps until all of it is reached. */
export function startWeightRamp(windowMs: number, onPart: (part: number) => void): Disposable {
  const startedAtMs = performance.now();
  const timer = setInterval(step, Math.max(SHORTEST_STEP_MS, windowMs / STEPS));
  step();

  function step(): void {
    const part = slowStartPart(performance.now() - startedAtMs, windowMs);
    if (part === 1) clearInterval(timer);
    onPart(part);
  }

  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
