import type { PoolState } from '../balance/pool-state.ts';
import type { Selector } from '../balance/selector.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { AddressedMember } from '../health/membership.ts';
import type { BackendIdentity } from '../net/backend-identity.ts';
import type { WorkerCounters } from '../observe/counters.ts';
import type { EventPort } from '../observe/event-port.ts';
import type { Blockade } from '../policy/blockade.ts';
import type { SourceLimits } from '../policy/source-limits.ts';
import type { ClientAuth } from '../tls/client-auth.ts';
import type { HandshakeContext } from '../tls/server-handshake.ts';
import type { Trust } from '../tls/trust.ts';

/** How a service talks TLS to its clients. Handshakes under way keep the one they began with. */
export interface ClientTls extends HandshakeContext {
  readonly auth: ClientAuth;
  /** What the judgement is made on; undefined where nobody is verified. */
  readonly trust: Trust | undefined;
}

/** What every session of one service in one worker shares. */
export interface ServiceContext {
  readonly config: ServiceConfig;
  /** Index of the service in the configuration, for counters. */
  readonly index: number;
  readonly worker: number;
  readonly pool: PoolState;
  /** Replaced whenever members come or go; a session asks it once per attempt. */
  selector: Selector<AddressedMember>;
  /** Replaced when ticket keys rotate or trust changes. */
  tls: ClientTls | undefined;
  /** Equal while clients are judged alike. */
  trustHash: string | undefined;
  /** By index of the backend; undefined where it speaks in clear. One is replaced when its files change. */
  readonly identities: (BackendIdentity | undefined)[];
  /** Template of the page for what the gateway itself blocks; undefined: its own. */
  readonly blockPage: string | undefined;
  /** Programs may run from then on: before, the process is not yet the user that it is to be. */
  readonly awake: Promise<void>;
  readonly sources: SourceLimits;
  readonly blocked: Blockade;
  readonly counters: WorkerCounters;
  readonly events: EventPort;
  /** A number no other connection of this process has had. */
  readonly nextConnectionId: () => number;
  /** So many connections to a slot failed in a row that the control plane must look at it. */
  readonly onFailures: (slot: number) => void;
  /** A client named a path of the backends that nobody has asked about yet: their OPTIONS for it are wanted. */
  readonly learnPath: (path: string) => void;
}
