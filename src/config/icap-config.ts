export type FailPolicy = 'bypass' | 'block' | 'error' | 'reset';
export type RetryPolicy = 'never' | 'connect' | 'pre-response' | '5xx';
export type ModMethod = 'REQMOD' | 'RESPMOD';

export interface RouteConfig {
  /** Empty: both. */
  readonly methods: readonly ModMethod[];
  readonly path: string | undefined;
  /** Their names; empty: all of the service. */
  readonly backends: readonly string[];
  readonly rewritePath: string | undefined;
}

/** What only `protocol: icap` uses. Validated in every service, so that a file can be checked before the switch. */
export interface IcapConfig {
  readonly retry: RetryPolicy;
  readonly retainBytes: number;
  readonly whenDown: FailPolicy;
  readonly onTimeout: FailPolicy;
  readonly onOversize: FailPolicy;
  /** HTML file for what the gateway itself blocks; undefined: a page of its own. */
  readonly blockPage: string | undefined;
  readonly routes: readonly RouteConfig[];
  readonly bypass: {
    readonly contentTypes: readonly string[];
    readonly fileTypes: readonly string[];
    readonly extensions: readonly string[];
    readonly urlOnlyRespmod: boolean;
  };
  readonly headers: {
    readonly set: Readonly<Record<string, string>>;
    readonly strip: readonly string[];
    readonly map: Readonly<Record<string, string>>;
    readonly clientIp: 'keep' | 'set';
    /** The header that carries an id of each request through all hops; undefined: none. */
    readonly correlation: string | undefined;
  };
  readonly istag: 'aggregate' | 'passthrough';
  readonly monitorReplies: boolean;
}
