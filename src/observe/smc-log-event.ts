/** What is told of the relay to a Forcepoint SMC; the same rules as for the other events. */
export interface SmcLogEvents {
  /** Said once when sessions begin to fail. */
  readonly 'smc-failed': { readonly endpoint: string; readonly detail: string; readonly retryMs: number };
  /** The API key does not open it. Said once; blocking at the gateway goes on. */
  readonly 'smc-login-refused': { readonly endpoint: string; readonly detail: string; readonly retryMs: number };
  readonly 'smc-recovered': { readonly endpoint: string; readonly version: string | undefined };
  /** Of the addresses at most ten are named. */
  readonly 'smc-relayed': { readonly engine: string; readonly count: number; readonly addresses: readonly string[] };
  /** The engine will not have them: nobody tries again. */
  readonly 'smc-rejected': {
    readonly engine: string;
    readonly count: number;
    readonly addresses: readonly string[];
    readonly detail: string;
  };
  /** Said once when an engine begins to fail; the others get their share. */
  readonly 'smc-engine-failed': { readonly engine: string; readonly detail: string; readonly retryMs: number };
  readonly 'smc-engine-recovered': { readonly engine: string };
  /** It holds no list of what to block. Said once. */
  readonly 'smc-engine-skipped': { readonly engine: string };
  /** The configuration excludes what the SMC does not have. */
  readonly 'smc-exclusion-unknown': { readonly engines: readonly string[] };
  /** Their time was over before every engine had them. */
  readonly 'smc-expired': { readonly count: number };
}
