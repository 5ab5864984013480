/** One address that connections can go to. A backend whose name has several addresses is several members. */
export interface Member {
  /** Where its shared state is. */
  readonly slot: number;
  /** Index of its backend in the configuration. */
  readonly backend: number;
  /** A lower number is used first. */
  readonly priority: number;
  /** What the configuration says, times the share that SRV records give; 0 takes no new connections. */
  readonly weight: number;
  /** What the configuration says; 0: nothing. What is in force is PoolState's `limitOf`. */
  readonly maxConnections: number;
  /** Who it is, whatever its place in the file: what consistent hashing hashes. */
  readonly key: string;
}

/** A member as it stands at the moment of one choice. */
export interface Candidate {
  /** Hash of the member's key. */
  readonly hash: number;
  /** Above 0, in the units of PoolState. */
  weight: number;
  /** Connections to it that are in use now; 0 unless the policy says `usesActive`. */
  active: number;
}

/** What there is to choose from: never nothing. */
export type Candidates<C extends Candidate = Candidate> = readonly [C, ...C[]];

/** What one choice may depend on besides the candidates. */
export interface Draw {
  /** 0 to 2^32-1: the next number of the sequence that all workers share. */
  readonly ticket: number;
  /** Equal keys are to go to the same member. */
  readonly hashKey: string;
  /** As Math.random. */
  readonly random: () => number;
}

/** Chooses among candidates that are all able to take the connection. Keeps no state that a choice depends on. */
export interface Policy {
  /** Whether `active` must be filled in, which costs a read per worker and candidate. */
  readonly usesActive: boolean;
  choose<C extends Candidate>(candidates: Candidates<C>, draw: Draw): C;
}
