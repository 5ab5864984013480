import type { Indicator } from './indicator.ts';

/** What became of the distinct addresses of one report. */
export interface Taken {
  /** New ones. */
  readonly blocked: number;
  /** Those that were blocked already, for longer now. */
  readonly extended: number;
  /** Those that are never blocked. */
  readonly ignored: number;
}

/** Where sources bring what they found. */
export interface Intake {
  /**
   * All or nothing: resolves when every address is durable, here and for the relay. Throws `FeedUnavailableError` where
   * that cannot be had: the source must then keep what it found.
   */
  take(found: readonly Indicator[]): Promise<Taken>;
}
