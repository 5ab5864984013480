import type { LogLevel, TlsVersion } from '../config/config.ts';
import type { Foreground } from './host.ts';
import type { Place, Placed } from './place.ts';
import type { TicketSecretPart } from './ticket-secret.ts';

/** A plain value of the raw configuration. */
export type RawScalar = string | number | boolean;

/** What the options before the first section say about the process as a whole. */
export interface ProcessDraft {
  /** Dotted raw key to value: `log.file`, `pid-file`. */
  readonly values: Map<string, Placed<RawScalar>>;
  foreground: Placed<Foreground> | undefined;
  syslog: Placed<boolean> | undefined;
}

/** stunnel's four flags of client authentication; every line about it overwrites some of them. */
export interface ClientAuthFlags {
  request: boolean;
  require: boolean;
  chain: boolean;
  peer: boolean;
}

/**
 * What the options of a service have said so far. A section starts with a copy of what stood before the first one, so
 * that single values are replaced and lists grow, as they do in stunnel. Plain data: it is copied by structuredClone.
 */
export interface ServiceDraft {
  /** Options with a meaning here that were given, lower case, with the place of the last one; valid or not. */
  readonly mentioned: Map<string, Place>;
  /** Dotted raw key of the service to value, for options that mean exactly one key. */
  readonly values: Map<string, Placed<RawScalar>>;
  /** `ca.file`, `ca.path`, `crl.file`, `crl.path` to the file or folder that was named. */
  readonly trust: Map<string, Placed<string>>;
  readonly accept: Placed<string>[];
  readonly connect: Placed<string>[];
  /** Path of a program, and its arguments from its name on. */
  exec: Placed<string> | undefined;
  execArgs: Placed<readonly string[]> | undefined;
  /** How long after its end the program of exec and connect is started again; undefined: it is not. */
  retry: Placed<string> | undefined;
  /** Where clients go that fail verification. */
  readonly redirect: Placed<string>[];
  /** `ticketKeySecret` and `ticketMacSecret` in lower-case hex. */
  readonly ticketSecrets: Map<TicketSecretPart, Placed<string>>;
  readonly checks: Placed<string>[];
  readonly clientAuth: ClientAuthFlags;
  /** The last line that said something about these flags. */
  clientAuthPlace: Place | undefined;
  /** Names of `options` that are switched on and off; off wins, in whatever order they come. */
  readonly switchedOn: Set<string>;
  readonly switchedOff: Set<string>;
  /** What was said about TCP keep-alive, by side: `l` or `r`. */
  readonly keepAlive: Map<string, boolean>;
  client: Placed<boolean> | undefined;
  /** As it was written. */
  sni: Placed<string> | undefined;
  name: Placed<string> | undefined;
  level: Placed<LogLevel> | undefined;
  facility: Placed<string> | undefined;
  connectionId: Placed<string> | undefined;
  protocol: 'tunnel' | 'icap';
  roundRobin: boolean;
  minVersion: TlsVersion | undefined;
  maxVersion: TlsVersion | undefined;
  securityLevel: number;
  keepAliveIdleSeconds: number;
}

/** The process before anything is said. */
export function createProcessDraft(): ProcessDraft {
  return { values: new Map(), foreground: undefined, syslog: undefined };
}

/** A service before anything is said, with stunnel's defaults. */
export function createServiceDraft(): ServiceDraft {
  return {
    mentioned: new Map(),
    values: new Map(),
    trust: new Map(),
    accept: [],
    connect: [],
    exec: undefined,
    execArgs: undefined,
    retry: undefined,
    redirect: [],
    ticketSecrets: new Map(),
    checks: [],
    clientAuth: { request: false, require: false, chain: false, peer: false },
    clientAuthPlace: undefined,
    switchedOn: new Set(['NO_SSLV2', 'NO_SSLV3']),
    switchedOff: new Set(),
    client: undefined,
    sni: undefined,
    name: undefined,
    level: undefined,
    facility: undefined,
    connectionId: undefined,
    protocol: 'tunnel',
    roundRobin: false,
    minVersion: undefined,
    maxVersion: undefined,
    securityLevel: 2,
    keepAlive: new Map(),
    keepAliveIdleSeconds: 7200,
  };
}

/** What a section starts with. It does not inherit `service`, nor `debug`, which is the level of the process there. */
export function inheritDraft(globals: ServiceDraft): ServiceDraft {
  const draft = structuredClone(globals);
  draft.name = undefined;
  draft.level = undefined;
  return draft;
}
