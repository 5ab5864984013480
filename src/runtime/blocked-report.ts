import type { FeedEntry } from '../feeds/contract/feed-queue.ts';
import type { SinkStatus } from '../feeds/contract/feed-sink.ts';
import type { GatewayFeed } from '../feeds/contract/gateway-feed.ts';
import type { BlockedEntry, BlockedReport, BlockRelay, SmcReport } from '../observe/blocked-report.ts';
import type { Block } from '../policy/block-list.ts';

export interface BlockedSources {
  /** What operators have blocked. */
  readonly blocks: readonly Block[];
  /** What their file blocks. */
  readonly listed: readonly Block[];
  readonly feed: Pick<GatewayFeed, 'queue' | 'status'> | undefined;
  readonly nowMs: number;
  /** At most so many entries. */
  readonly limit: number;
}

/** Everything that is blocked, the newest first, and how its relay is doing. */
export function reportBlocked({ blocks, listed, feed, nowMs, limit }: BlockedSources): BlockedReport {
  const found = feed === undefined ? [] : Array.from(feed.queue.entries()).filter(({ untilMs }) => untilMs > nowMs);
  const status = feed?.status();
  const isRelayed = status !== undefined && status.smc !== null;
  // All are in the order in which they were blocked: of each no more than the last can be among the newest.
  const entries = [
    ...lastOf(found, limit).map((entry) => ({ sinceMs: entry.sinceMs, tell: () => describeFound(entry, isRelayed) })),
    ...lastOf(blocks, limit).map((block) => ({ sinceMs: block.sinceMs, tell: () => describeBlock(block, 'manual') })),
    ...lastOf(listed, limit).map((block) => ({ sinceMs: block.sinceMs, tell: () => describeBlock(block, 'file') })),
  ];
  return {
    entries: entries
      .sort((a, b) => b.sinceMs - a.sinceMs)
      .slice(0, limit)
      .map(({ tell }) => tell()),
    queue: status === undefined ? null : { ...status.queue, trouble: status.trouble ?? null },
    smc: status === undefined || status.smc === null ? null : smcReport(status.smc),
  };
}

function lastOf<T>(list: readonly T[], count: number): readonly T[] {
  return list.slice(Math.max(0, list.length - count));
}

function describeFound(entry: FeedEntry, isRelayed: boolean): BlockedEntry {
  const { address, source, type, sinceMs, untilMs, findings, engines } = entry;
  return {
    ...{ ip: address, source, type, findings },
    since: isoTime(sinceMs),
    until: isoTime(untilMs),
    relay: isRelayed ? relayOf(entry) : 'off',
    engines: Object.fromEntries(Array.from(engines, ([name, { outcome }]) => [name, outcome])),
  };
}

function relayOf({ isPending, engines }: FeedEntry): BlockRelay {
  const outcomes = Array.from(engines.values(), ({ outcome }) => outcome);
  if (isPending) return 'pending';
  return outcomes.length > 0 && outcomes.every((outcome) => outcome === 'rejected') ? 'failed' : 'done';
}

function describeBlock({ address, sinceMs, untilMs }: Block, source: 'manual' | 'file'): BlockedEntry {
  return {
    ...{ ip: address, source, type: '', findings: 0, relay: 'off', engines: {} },
    since: isoTime(sinceMs),
    until: untilMs === undefined ? null : isoTime(untilMs),
  };
}

function smcReport({ up, version, lastSuccess, lastError }: SinkStatus): SmcReport {
  return { up, version: version ?? null, lastSuccess: lastSuccess ?? null, lastError: lastError ?? null };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
