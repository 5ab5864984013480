/** What is told of the log itself; the same rules as for the other events. */
export interface SinkLogEvents {
  readonly 'log-reopened': { readonly file: string };
  /** The log, or the access log, goes on in the file that was open before. */
  readonly 'log-open-failed': { readonly file: string; readonly detail: string };
  readonly 'log-lines-lost': { readonly count: number; readonly file: string };
  /** Messages wait, or are lost, until it works again. */
  readonly 'syslog-failed': { readonly detail: string };
  readonly 'access-log-failed': { readonly file: string; readonly detail: string };
  readonly 'lines-suppressed': { readonly count: number; readonly similar: string };
}
