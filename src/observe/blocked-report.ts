/** How far an entry is on its way to the engines: `off` where it does not go there, `failed` where each has refused it. */
export type BlockRelay = 'off' | 'pending' | 'done' | 'failed';

/** One address or network that is blocked, and what for. Plain data, as the endpoint gives it. */
export interface BlockedEntry {
  readonly ip: string;
  /** `manual`, `file`, or the name of a feed. */
  readonly source: string;
  /** The kind of finding; empty for what an operator blocked. */
  readonly type: string;
  /** ISO time. */
  readonly since: string;
  /** ISO time; null: until it is unblocked, or taken out of the file. */
  readonly until: string | null;
  /** How often it was reported. */
  readonly findings: number;
  readonly relay: BlockRelay;
  readonly engines: Readonly<Record<string, 'added' | 'pending' | 'rejected'>>;
}

export interface QueueReport {
  readonly type: string;
  /** Addresses not yet with every engine. */
  readonly depth: number;
  /** For how long the oldest of them has waited; 0 where none does. */
  readonly oldestSeconds: number;
  /** Why findings cannot be kept at the moment; null: they can. */
  readonly trouble: string | null;
}

export interface SmcReport {
  readonly up: boolean;
  readonly version: string | null;
  /** ISO time. */
  readonly lastSuccess: string | null;
  readonly lastError: string | null;
}

/** What `/api/v1/blocked` answers. */
export interface BlockedReport {
  /** The newest first. */
  readonly entries: readonly BlockedEntry[];
  /** Null: no feed. */
  readonly queue: QueueReport | null;
  /** Null: nothing is relayed. */
  readonly smc: SmcReport | null;
}

/** Where what is blocked comes from; those that nothing comes from are counted as 0. */
export const BLOCK_SOURCES = ['guardduty', 'manual', 'file'] as const;

/** Until when something is blocked that has no end, after "until". */
export function endWithoutTime(source: string): string {
  return source === 'file' ? 'out of the file' : 'unblocked';
}
