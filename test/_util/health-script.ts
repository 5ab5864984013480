import type { Probe, ProbeFailure, ProbeResult } from '../../src/health/probe.ts';

/** A probe that answers what the test says, and remembers when it was asked. */
export interface ScriptedProbe {
  readonly probe: Probe;
  /** `performance.now()` of each start. */
  readonly startsMs: number[];
  /** The most that ever ran at the same time. */
  readonly mostAtOnce: () => number;
  /** What the next probes find; `silent`: nothing until `settle` is called. */
  answer: 'well' | 'silent' | ProbeFailure;
  /** Ends the probes that are waiting. */
  settle(answer: 'well' | ProbeFailure): void;
}

export function scriptProbe(answer: 'well' | 'silent' | ProbeFailure = 'well'): ScriptedProbe {
  const waiting = new Set<(result: ProbeResult) => void>();
  let most = 0;
  let running = 0;
  const script: ScriptedProbe = {
    startsMs: [],
    mostAtOnce: () => most,
    answer,
    settle(found) {
      for (const resolve of waiting) resolve(resultOf(found));
      waiting.clear();
    },
    async probe({ signal }) {
      script.startsMs.push(performance.now());
      running += 1;
      most = Math.max(most, running);
      try {
        if (script.answer !== 'silent') return resultOf(script.answer);
        return await new Promise<ProbeResult>((resolve, reject) => {
          waiting.add(resolve);
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      } finally {
        running -= 1;
      }
    },
  };
  return script;
}

function resultOf(answer: 'well' | ProbeFailure): ProbeResult {
  return answer === 'well' ? { ok: true, ms: 3 } : { ok: false, ms: 3, reason: answer, detail: 'scripted' };
}
