import type { Problem } from '../errors.ts';
import type { FeedsConfig } from './feed-config.ts';
import type { IcapConfig } from './icap-config.ts';
import type { LogConfig } from './log-config.ts';
import type { BackendTlsConfig, ServiceTlsConfig } from './tls-config.ts';

export type LogLevel = 'debug' | 'info' | 'notice' | 'warning' | 'error';
export type Protocol = 'tunnel' | 'icap';
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
export type ClientAuthMode = 'require' | 'optional' | 'none';
export type TrustMode = 'auto' | 'chain' | 'pin';
export type BalanceName = 'round-robin' | 'least-connections' | 'random-two' | 'source-hash' | 'header-hash';
export type HealthType = 'icap' | 'tcp' | 'tls' | 'none';
export type ProxyVersion = 'v1' | 'v2';

/** A socket to listen on or to connect to. */
export type SocketAddress =
  | { readonly kind: 'tcp' /** Empty: every local address. */; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** A program whose standard input and output are one end of a connection. */
export interface ProgramAddress {
  readonly kind: 'exec';
  readonly program: string;
  /** What it gets as its arguments, beginning with what it is called. */
  readonly args: readonly string[];
}

/** One place that is connected to. */
export type TargetAddress = SocketAddress | ProgramAddress;

/** One place that clients come from; `stdio`: standard input and output, which are one connection. */
export type Address = TargetAddress | { readonly kind: 'stdio' };

/** Where a backend is: in one place, or wherever the SRV records of a name lead to. */
export type BackendAddress = TargetAddress | { readonly kind: 'srv'; readonly name: string };

/** The same with the text a user knows it by. */
export interface WrittenAddress {
  readonly address: BackendAddress;
  readonly text: string;
}

export interface AdminConfig {
  readonly listen: SocketAddress | 'off';
  /** False when `listen` is the default: a taken port is then a warning, not a failure. */
  readonly explicit: boolean;
  readonly tokenFile: string | undefined;
}

export interface LimitsConfig {
  readonly connections: number;
  /** 0: no limit. */
  readonly connectionsPerSource: number;
  /** New handshakes per second from one source; 0: no limit. */
  readonly handshakesPerSource: number;
  readonly headerBytes: number;
  /** 0: no limit. */
  readonly bodyBytes: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
}

/**
 * Every wait of a service, in milliseconds. `Infinity` means never. 0 means at once, which only stunnel's options can
 * ask for (`TIMEOUTclose = 0`).
 */
export interface TimeoutsConfig {
  readonly handshakeMs: number;
  readonly connectMs: number;
  readonly requestHeaderMs: number;
  readonly bodyIdleMs: number;
  readonly responseMs: number;
  readonly idleMs: number;
  readonly closeMs: number;
  /** From a request's first byte to its answer's last, whatever moves in between. */
  readonly totalMs: number;
}

export interface BackendConfig {
  readonly name: string;
  readonly address: BackendAddress;
  /** The address as the user wrote it, for logs. */
  readonly addressText: string;
  readonly weight: number;
  readonly priority: number;
  /** 0: what its OPTIONS says, else no limit. */
  readonly maxConnections: number;
  readonly tls: BackendTlsConfig | undefined;
}

export interface HealthConfig {
  readonly type: HealthType;
  /** Only for `icap`; undefined: any well-formed ICAP answer to `OPTIONS /` is a sign of life. */
  readonly path: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  /** 0 to 1: each interval is spread by up to this part of itself, either way. */
  readonly jitter: number;
  readonly deep: boolean;
}

export interface OutliersConfig {
  /** 0: never eject. */
  readonly consecutiveFailures: number;
  readonly ejectMs: number;
  /** 0 to 1, part of the pool that may be ejected at a time. */
  readonly maxEjected: number;
}

export interface ProxyProtocolConfig {
  readonly accept: 'off' | ProxyVersion;
  /** CIDRs that may send a header; a connection from elsewhere is refused when `accept` is on. */
  readonly from: readonly string[];
  readonly send: 'off' | ProxyVersion;
}

export interface BalanceConfig {
  readonly policy: BalanceName;
  /** The header of `header-hash:NAME`. */
  readonly header: string | undefined;
}

/** Options of the operating system's sockets, from stunnel's `socket =` and our own defaults. */
export interface SocketConfig {
  readonly clientNoDelay: boolean;
  readonly backendNoDelay: boolean;
  /** Idle seconds before TCP keep-alive probes; undefined: off. */
  readonly keepAliveMs: number | undefined;
  readonly ipv6Only: boolean;
  /** Source address for connections to backends. */
  readonly localAddress: string | undefined;
  /** Whether errors and timeouts end a connection with RST (stunnel's `reset = yes`). */
  readonly reset: boolean;
}

/** A service without listeners: it gets those clients of another one that name it in their handshake. */
export interface SniConfig {
  /** The name of the service that listens. */
  readonly of: string;
  /** Server names; an asterisk at the beginning stands for anything. The first that fits counts, in file order. */
  readonly names: readonly string[];
}

export interface ServiceConfig {
  readonly name: string;
  /** Of what is told about connections of this service; undefined: as everything. */
  readonly logLevel: LogLevel | undefined;
  /** Set where it is not in the file: the service whose redirected clients come here. */
  readonly redirectOf: string | undefined;
  /** Empty where `sni` or `redirectOf` is set. A program and `stdio` stand alone: they are the only client. */
  readonly listen: readonly Address[];
  /** How long after its end a program in `listen` is started again; undefined: it is not. */
  readonly execRestartMs: number | undefined;
  /** Whether the service needs every address, or goes on with those that can be had. */
  readonly listenRequire: 'all' | 'any';
  readonly sni: SniConfig | undefined;
  readonly protocol: Protocol;
  readonly tls: ServiceTlsConfig | undefined;
  readonly allowFrom: readonly string[];
  readonly denyFrom: readonly string[];
  readonly proxyProtocol: ProxyProtocolConfig;
  readonly limits: LimitsConfig;
  readonly timeouts: TimeoutsConfig;
  readonly balance: BalanceConfig;
  readonly backends: readonly BackendConfig[];
  readonly health: HealthConfig;
  readonly outliers: OutliersConfig;
  readonly slowStartMs: number;
  readonly sockets: SocketConfig;
  readonly icap: IcapConfig;
}

export interface ResolverConfig {
  /** Name servers as `address:port`; empty: names are resolved as the system does. */
  readonly servers: readonly string[];
}

export interface TracingConfig {
  /** Base URL of an OTLP/HTTP collector, without a slash at its end; undefined: nothing is traced. */
  readonly otlp: string | undefined;
  /** 0 to 1, part of the traces that begin here; who sends us a trace has decided on it. */
  readonly sample: number;
}

export interface BlockListConfig {
  readonly file: string | undefined;
  /** CIDRs that neither feeds nor operators block. */
  readonly allow: readonly string[];
}

/** One typed, fully defaulted, frozen configuration. There is no other way into a running gateway. */
export interface Config {
  /** The file it came from, absolute. */
  readonly file: string;
  readonly format: 'yaml' | 'stunnel';
  readonly log: LogConfig;
  readonly admin: AdminConfig;
  /** `auto` is already resolved to a number. */
  readonly workers: number;
  /** How long the gateway goes on accepting after it has ceased to be ready. */
  readonly drainDelayMs: number;
  readonly drainTimeoutMs: number;
  readonly resolver: ResolverConfig;
  readonly tracing: TracingConfig;
  readonly services: readonly ServiceConfig[];
  /** Undefined: no threat feed. */
  readonly feeds: FeedsConfig | undefined;
  readonly blockList: BlockListConfig;
  /** stunnel's `pid`: written after the listeners are up, removed at a clean end. */
  readonly pidFile: string | undefined;
  /** User, by name or number, that the process becomes once everything listens; undefined: it stays who it is. */
  readonly setuid: string | undefined;
  readonly setgid: string | undefined;
}

/** What reading a configuration gives: problems always, a configuration only when none of them is an error. */
export interface ConfigResult {
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}
