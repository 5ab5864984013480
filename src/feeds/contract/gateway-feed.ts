import type { FeedQueue } from './feed-queue.ts';
import type { SinkStatus } from './feed-sink.ts';

/** What operators are shown of a gateway's feed, and what keeps them from blocking its own. Stays its owner's. */
export interface GatewayFeed {
  readonly queue: FeedQueue;
  status(): {
    readonly queue: { readonly type: string; readonly depth: number; readonly oldestSeconds: number };
    /** Null: blocked addresses are relayed nowhere. */
    readonly smc: SinkStatus | null;
    /** Why findings cannot be kept at the moment; undefined: they can. */
    readonly trouble: string | undefined;
  };
  /** The addresses of this process and of those it needs, in canonical form, as they are now. */
  own(): ReadonlySet<string>;
}
