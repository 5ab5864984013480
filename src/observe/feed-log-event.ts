import type { FeedIgnoreReason } from './feed-tally.ts';

/** What is told of threat feeds; the same rules as for the other events. `feed` is the source: `guardduty`. */
export interface FeedLogEvents {
  /** `address` is the one really bound. */
  readonly 'feed-listening': { readonly feed: string; readonly address: string };
  /** `reason` never repeats anything of the request. */
  readonly 'feed-request-refused': {
    readonly feed: string;
    readonly client: string;
    readonly code: number;
    readonly reason: string;
  };
  /** Who is not in `allow-from`. */
  readonly 'feed-client-refused': { readonly feed: string; readonly client: string };
  /** After the first one of a sender: so many more, for this reason, within so many seconds. `client` has no port. */
  readonly 'feed-requests-refused': {
    readonly feed: string;
    readonly client: string;
    readonly count: number;
    readonly seconds: number;
    readonly code: number;
    readonly reason: string;
  };
  readonly 'feed-clients-refused': {
    readonly feed: string;
    readonly client: string;
    readonly count: number;
    readonly seconds: number;
  };
  readonly 'feed-request-failed': { readonly feed: string; readonly detail: string };
  /** Blocked, or blocked for longer. `until` is an ISO time. */
  readonly 'feed-address-taken': {
    readonly feed: string;
    readonly address: string;
    readonly type: string;
    readonly until: string;
  };
  readonly 'feed-address-ignored': {
    readonly feed: string;
    readonly address: string;
    readonly reason: FeedIgnoreReason;
  };
  /** Its time is over. */
  readonly 'feed-address-expired': { readonly address: string };
  /** It was blocked before it was known that it must not be. */
  readonly 'feed-address-lifted': { readonly address: string; readonly reason: 'own' | 'allowed' };
  readonly 'feed-state-damaged': { readonly file: string; readonly detail: string };
  readonly 'feed-queue-failed': { readonly detail: string };
  readonly 'feed-queue-recovered': Record<string, never>;
  readonly 'feed-queue-remade': { readonly queue: string };
}
