import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../observe/logger.ts';
import type { Crew } from './crew.ts';
import type { CutCount } from './snapshot.ts';

/** How long the workers may take to cut what is left. */
const CUT_PATIENCE_MS = 2000;

/**
 * Lets the workers accept no more and waits for their sessions. When `deadline` is aborted, what is left is cut: returns
 * how much of what that was, worker by worker, without what was nothing.
 */
export async function drainCrew(crew: Crew, deadline: AbortSignal): Promise<readonly CutCount[]> {
  const drained = crew.ask({ type: 'drain' }, 'drained');
  const late = new Promise<'late'>((resolve) => {
    if (deadline.aborted) resolve('late');
    else deadline.addEventListener('abort', () => resolve('late'), { once: true });
  });
  if ((await Promise.race([drained, late])) !== 'late') return [];
  const asked = crew.ask({ type: 'cut' }, 'cut');
  const answers = (await Promise.race([asked, delay(CUT_PATIENCE_MS, undefined, { ref: false })])) ?? [];
  // A worker that does not even answer is ended with the rest.
  await Promise.race([drained, delay(CUT_PATIENCE_MS, undefined, { ref: false })]);
  return answers.flatMap(({ counts }) => counts).filter(({ count }) => count > 0);
}

/** Tells what was cut, by service, and returns how much that was. */
export function tellDrained(counts: readonly CutCount[], log: Pick<Logger, 'log'>): number {
  const byService = Map.groupBy(counts, ({ service }) => service);
  const services = Array.from(byService, ([name, parts]) => `${name} ${sumOf(parts)}`);
  const cut = sumOf(counts);
  log.log('drained', { cut, ...(cut > 0 && { services }) });
  return cut;
}

function sumOf(counts: readonly CutCount[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}
