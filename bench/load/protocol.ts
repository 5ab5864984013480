import type { Workload } from '../workload.ts';

/** What a load generator is told before anything is measured. */
export interface LoadOrder {
  readonly port: number;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** This generator's share. */
  readonly workload: Workload;
  readonly warmUpCount: number;
}

export interface LoadResult {
  readonly latenciesMs: Float64Array;
  /** Units whose connection was a resumed one. */
  readonly resumedCount: number;
}

/** In order: prepare, ready, go, done. A generator ends when its channel closes. */
export type ToLoad = { readonly kind: 'prepare'; readonly order: LoadOrder } | { readonly kind: 'go' };
export type FromLoad =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly reason: string };
