import type { Probe, ProbeResult } from './probe.ts';

/** The first probe comes within this time, spread so that a start with many members is not one burst. */
const FIRST_WITHIN_MS = 100;

export interface ProbeLoopOptions {
  readonly probe: Probe;
  /** From the start of one probe to the start of the next. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** 0 to 1: each interval is spread by up to this part of itself, either way. */
  readonly jitter: number;
  /** As Math.random. */
  readonly random: () => number;
  readonly onResult: (result: ProbeResult) => void;
}

/**
 * Probes one member over and over until disposed, never twice at the same time: a probe that takes longer than the
 * interval is followed by the next one at once. After disposal nothing is reported, and a running probe is aborted.
 */
export function startProbeLoop(options: ProbeLoopOptions): Disposable {
  const { probe, intervalMs, timeoutMs, jitter, random, onResult } = options;
  let stop = new AbortController();
  let isStopped = false;
  let timer = setTimeout(run, random() * Math.min(FIRST_WITHIN_MS, intervalMs));

  function run(): void {
    const startedAtMs = performance.now();
    // One controller per run: composed signals would pile up on one that lives as long as the loop.
    stop = new AbortController();
    probe({ timeoutMs, signal: stop.signal }).then((result) => {
      if (isStopped) return;
      const pauseMs = intervalMs * (1 + jitter * (2 * random() - 1));
      timer = setTimeout(run, Math.max(0, startedAtMs + pauseMs - performance.now()));
      onResult(result);
    }, endedEarly);
  }

  /** A probe rejects when it was aborted. Anything else is a mistake in the probe and must not go unseen. */
  function endedEarly(error: unknown): void {
    if (!isStopped) throw error;
  }

  return {
    [Symbol.dispose]() {
      isStopped = true;
      clearTimeout(timer);
      stop.abort();
    },
  };
}
