import type { TlsVersion } from './config.ts';

/** Where this gateway turns blocked addresses away. */
export type EnforceLevel = 'peer' | 'client-ip' | 'target';

/** A secret as configured: at most one of the two is set. */
export interface SecretConfig {
  /** The secret itself, never to be shown. */
  readonly value: string | undefined;
  readonly file: string | undefined;
}

export interface FeedTlsConfig {
  readonly cert: string;
  readonly key: string | undefined;
  readonly keyPassphraseFile: string | undefined;
  readonly minVersion: TlsVersion;
}

/** The listener for GuardDuty findings. */
export interface GuardDutyConfig {
  readonly host: string;
  readonly port: number;
  readonly token: SecretConfig;
  readonly hmacKey: SecretConfig;
  readonly tls: FeedTlsConfig | undefined;
  readonly bodyLimitBytes: number;
  /** Requests a second of the whole listener; 0: no limit. */
  readonly ratePerSecond: number;
  /** CIDRs; empty: anyone. */
  readonly allowFrom: readonly string[];
}

export interface SmcRetryConfig {
  readonly firstMs: number;
  readonly mostMs: number;
  readonly authMs: number;
}

/** The Forcepoint SMC that blocked addresses are relayed to. */
export interface SmcConfig {
  /** Scheme, host and port, without a path: `https://smc.example:8082`. */
  readonly endpoint: string;
  readonly apiKey: SecretConfig;
  readonly apiVersion: string;
  readonly domain: string | undefined;
  readonly ca: string | undefined;
  readonly excludeEngines: readonly string[];
  readonly timeoutMs: number;
  readonly lingerMs: number;
  readonly retry: SmcRetryConfig;
}

export interface FeedQueueConfig {
  readonly type: 'embedded' | 'rabbitmq';
  /** With a password, as a rule: never to be shown. Set where `type` is `rabbitmq`. */
  readonly url: SecretConfig;
  readonly ca: string | undefined;
  readonly name: string;
  /** Whether this process takes part in relaying to the SMC. */
  readonly relay: boolean;
}

/** `feeds:` of a configuration. */
export interface FeedsConfig {
  /** How long an address stays blocked; whole seconds. */
  readonly durationMs: number;
  readonly enforce: readonly EnforceLevel[];
  readonly blockable: readonly string[];
  readonly minSeverity: number;
  readonly maxEntries: number;
  /** Undefined: `$STATE_DIRECTORY`, else the folder of the configuration file. */
  readonly stateDir: string | undefined;
  readonly guardDuty: GuardDutyConfig | undefined;
  readonly smc: SmcConfig | undefined;
  readonly queue: FeedQueueConfig;
}
