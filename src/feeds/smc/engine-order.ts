import type { EngineHold, FeedEntry } from '../contract/feed-queue.ts';
import type { Order } from './block-entry.ts';

/**
 * What an engine is still to be told of these entries. One that has an address already gets it again only shortly before
 * it lets go of it, because an entry there cannot be prolonged; one that refused it is asked again only when the others are.
 */
export function ordersFor(
  engine: string,
  entries: readonly FeedEntry[],
  { nowMs, leadMs }: { readonly nowMs: number; readonly leadMs: number },
): readonly Order[] {
  return entries.filter((entry) => {
    if (entry.untilMs <= nowMs) return false;
    const hold = entry.engines.get(engine);
    if (hold === undefined || hold.outcome === 'pending') return true;
    if (hold.outcome === 'rejected') return !entry.isPending;
    return entry.untilMs > hold.heldUntilMs && nowMs >= hold.heldUntilMs - leadMs;
  });
}

/** Whether an entry that has expired never came to an engine, or not for the whole of its time. */
export function hasMissed(hold: EngineHold | undefined): boolean {
  return hold === undefined || hold.outcome === 'pending';
}
