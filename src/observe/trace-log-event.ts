/** What is told of the way of traces to their collector; the same rules as for the other events. */
export interface TraceLogEvents {
  /** Said once when the collector begins to fail: what it is to have waits, as far as there is room. */
  readonly 'traces-failed': { readonly collector: string; readonly detail: string };
  readonly 'traces-recovered': { readonly collector: string };
  readonly 'traces-lost': { readonly collector: string; readonly count: number };
}
