import type { ServiceOptions } from '../icap/service-options.ts';

/** What one member answered to OPTIONS for one path. Plain data: it is sent to the workers. */
export interface MemberOptions {
  readonly slot: number;
  /** Index in the configuration. */
  readonly backend: number;
  /** Of the last answer; 0 while there was none. */
  readonly status: number;
  /** Of the last answer with a 2xx; undefined when a later one denied the path. */
  readonly options: ServiceOptions | undefined;
  /** Epoch milliseconds of the answer. */
  readonly fetchedAtMs: number;
}

/** What is known of one path of the backends. */
export interface PathOptions {
  /** As backends know it. */
  readonly path: string;
  readonly members: readonly MemberOptions[];
}
