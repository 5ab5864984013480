/** Something that reports indicators to an intake from its start until it is disposed. */
export interface FeedSource extends AsyncDisposable {
  /** What it is called in metrics and as the `source` of entries: `guardduty`. */
  readonly name: string;
  /** Where it listens, `host:port` as really bound; undefined where it fetches. */
  readonly address: string | undefined;
}
