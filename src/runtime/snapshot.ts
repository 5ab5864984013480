import type { MessagePort } from 'node:worker_threads';
import type { Address, ServiceConfig } from '../config/config.ts';
import type { EnforceLevel } from '../config/feed-config.ts';
import type { AddressedMember } from '../health/membership.ts';
import type { PathOptions } from '../health/path-options.ts';
import type { ConnectionEntry } from '../observe/connection-entry.ts';
import type { CounterLayout } from '../observe/counters.ts';
import type { EventWishes } from '../observe/event-port.ts';
import type { EnabledEvents } from '../observe/log-format.ts';
import type { BlockadeChange, BlockadeSnapshot, ListedBlocks } from '../policy/blockade.ts';
import type { SourceTableMemory } from '../policy/source-table.ts';
import type { BackendMaterial } from '../tls/backend-material.ts';
import type { ServiceMaterial } from '../tls/service-material.ts';
import type { TicketSecret } from '../tls/ticket-keys.ts';

/** What a worker needs of one service; plain values and shared memory. */
export interface ServiceSnapshot {
  readonly config: ServiceConfig;
  /** Undefined where the service speaks in clear. */
  readonly material: ServiceMaterial | undefined;
  /** By index of the backend; undefined where it speaks in clear. */
  readonly backendMaterial: readonly (BackendMaterial | undefined)[];
  readonly poolBuffer: SharedArrayBuffer;
  readonly members: readonly AddressedMember[];
  /** What the backends have said of their paths so far; empty in tunnel mode. */
  readonly options: readonly PathOptions[];
  /** The text of the configured page; undefined: the built-in one. */
  readonly blockPage: string | undefined;
}

/** What goes with one configuration, and is replaced as a whole when it is loaded anew. */
export interface GenerationSnapshot {
  readonly generation: number;
  readonly services: readonly ServiceSnapshot[];
  readonly counterLayout: CounterLayout;
  readonly counterBuffer: SharedArrayBuffer;
  /** Where addresses that feeds have blocked are turned away. */
  readonly enforce: readonly EnforceLevel[];
}

/** All a worker is born with. */
export interface WorkerSnapshot extends GenerationSnapshot {
  readonly workerIndex: number;
  readonly sourceMemory: SourceTableMemory;
  /** Sessions with backends, for all workers. */
  readonly backendSessions: SharedArrayBuffer;
  /** Sessions with clients that hold no tickets, for all workers. */
  readonly clientSessions: SharedArrayBuffer;
  readonly blocked: BlockadeSnapshot;
  readonly tickets: TicketSecret;
  /** One Int32: the number of the last connection of the process. */
  readonly connectionIds: SharedArrayBuffer;
  readonly eventWishes: EventWishes;
  readonly eventPort: MessagePort;
}

/** What the main thread tells a worker. What is about a service of another generation than the worker's is not for it. */
export type ToWorker =
  | { readonly type: 'listen'; readonly addresses: readonly (readonly Address[])[]; readonly reusePort: boolean }
  | {
      readonly type: 'members';
      readonly generation: number;
      readonly service: number;
      readonly members: readonly AddressedMember[];
    }
  /** Replaces all that is known of the paths of a service. */
  | {
      readonly type: 'options';
      readonly generation: number;
      readonly service: number;
      readonly paths: readonly PathOptions[];
    }
  | { readonly type: 'tickets'; readonly tickets: TicketSecret }
  /** A service trusts others than before: its new connections are judged by this. Also of one that has departed. */
  | {
      readonly type: 'material';
      readonly generation: number;
      readonly service: number;
      readonly material: ServiceMaterial;
    }
  /** A backend proves who it is in another way, or is shown another certificate, from its next connection on. */
  | {
      readonly type: 'backend-material';
      readonly generation: number;
      readonly service: number;
      readonly backend: number;
      readonly material: BackendMaterial;
    }
  /** Replaces what the operator has blocked; those connected are cut off. */
  | { readonly type: 'blocked'; readonly networks: readonly string[] }
  /** Replaces what the operator's file blocks, and whom neither that nor the operator blocks; those connected are cut off. */
  | { readonly type: 'listed'; readonly listed: ListedBlocks; readonly exempt: readonly string[] }
  /** What feeds have blocked, or no longer do. */
  | ({ readonly type: 'feed-blocked' } & BlockadeChange)
  /** Other events are written to the log than before. */
  | { readonly type: 'log-events'; readonly enabled: EnabledEvents }
  /** Answered with `connections`: at most so many of each service. */
  | { readonly type: 'connections'; readonly limit: number }
  /** The gateway is ready and has become its user: programs may run, and those that are clients begin. */
  | { readonly type: 'wake' }
  /** Answered with `pong`, by a worker that still does its work. */
  | { readonly type: 'ping' }
  /**
   * Another configuration. First listens where nobody did yet, then takes it over as a whole: answered with `reloaded`,
   * or with `reload-failed` and nothing changed.
   */
  | {
      readonly type: 'reload';
      readonly next: GenerationSnapshot;
      /** Service by service; those that are listened on already are the ones really bound. */
      readonly addresses: readonly (readonly Address[])[];
      readonly reusePort: boolean;
    }
  /** Stop accepting; answered with `drained` when the last session has ended. */
  | { readonly type: 'drain' }
  /** Cut what is left; answered with `cut`. */
  | { readonly type: 'cut' };

/** What a worker tells the main thread. */
export type FromWorker =
  | { readonly type: 'listening'; readonly addresses: readonly (readonly Address[])[] }
  | { readonly type: 'listen-failed'; readonly detail: string }
  | { readonly type: 'reloaded'; readonly addresses: readonly (readonly Address[])[] }
  | { readonly type: 'reload-failed'; readonly detail: string }
  | { readonly type: 'failures'; readonly generation: number; readonly service: number; readonly slot: number }
  /** A client asked for a path of the backends that is not known yet. */
  | { readonly type: 'learn'; readonly generation: number; readonly service: number; readonly path: string }
  | { readonly type: 'connections'; readonly total: number; readonly entries: readonly ConnectionEntry[] }
  | { readonly type: 'pong' }
  | { readonly type: 'drained' }
  /** How many sessions each service had left, those that accept no more included. */
  | { readonly type: 'cut'; readonly counts: readonly CutCount[] };

export interface CutCount {
  readonly service: string;
  readonly count: number;
}
