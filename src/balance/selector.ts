import { hashText } from './hash.ts';
import type { Candidate, Candidates, Draw, Member, Policy } from './policy.ts';
import type { MemberState, PoolState } from './pool-state.ts';

export interface SelectorOptions<M extends Member> {
  readonly policy: Policy;
  readonly members: readonly M[];
  readonly state: PoolState;
  /** The row of PoolState that this thread counts in. */
  readonly worker: number;
}

/** One client's wish for a member. */
export interface PickRequest {
  /** Equal keys go to the same member under `source-hash`: the client's address. */
  readonly hashKey: string;
  /** Slots that have already failed this client. */
  readonly tried: ReadonlySet<number>;
  /** As Math.random. */
  readonly random: () => number;
}

export interface Picked<M extends Member> {
  readonly member: M;
  /** Whether it was picked although it is not up, because nobody who is up was left for this client. */
  readonly lastResort: boolean;
}

interface Seat<M extends Member> extends Candidate {
  readonly member: M;
}

/**
 * Picks members for one worker. Immutable but for the shared state it reads: when the members change, make another one.
 * What it picked outlives it: slots keep their meaning for `release`.
 */
export class Selector<M extends Member = Member> {
  readonly #policy: Policy;
  readonly #state: PoolState;
  readonly #worker: number;
  /** One per priority, lowest number first. */
  readonly #groups: readonly (readonly Seat<M>[])[];
  readonly #candidates: Seat<M>[] = [];

  constructor(options: SelectorOptions<M>) {
    this.#policy = options.policy;
    this.#state = options.state;
    this.#worker = options.worker;
    this.#groups = groupByPriority(options.members);
  }

  /**
   * The member that this client is to be sent to, already acquired: the caller gives it back with
   * `PoolState.release(member.slot, worker)`. Undefined when nobody can take the client, which is also so while those
   * who are up are full: they are alive, and members that are down would not help them.
   */
  pick(request: PickRequest): Picked<M> | undefined {
    const draw = this.#drawFor(request);
    let isAnyUp = false;
    for (const group of this.#groups) {
      if (this.#gather(group, isUp, request.tried)) isAnyUp = true;
      const member = this.#take(draw);
      if (member !== undefined) return { member, lastResort: false };
    }
    if (isAnyUp) return undefined;
    for (const group of this.#groups) {
      this.#gather(group, isSick, request.tried);
      const member = this.#take(draw);
      if (member !== undefined) return { member, lastResort: true };
    }
    return undefined;
  }

  #drawFor({ hashKey, tried, random }: PickRequest): Draw {
    // A second try takes a random place instead of the next ticket: it would otherwise always fall on the same
    // neighbour of the member that failed, and disturb everybody else's turns.
    const ticket = tried.size === 0 ? this.#state.nextTicket() : Math.floor(random() * 2 ** 32);
    return { ticket, hashKey, random };
  }

  /** Collects who in the group may be chosen. Returns whether anyone fits, full ones included. */
  #gather(group: readonly Seat<M>[], isWanted: (state: MemberState) => boolean, tried: ReadonlySet<number>): boolean {
    this.#candidates.length = 0;
    let isAny = false;
    for (const seat of group) {
      const { slot, maxConnections } = seat.member;
      if (tried.has(slot) || !isWanted(this.#state.stateOf(slot))) continue;
      seat.weight = this.#state.weightOf(slot);
      if (seat.weight === 0) continue;
      isAny = true;
      const isLimited = maxConnections > 0;
      seat.active = isLimited || this.#policy.usesActive ? this.#state.activeOf(slot) : 0;
      if (!isLimited || seat.active < maxConnections) this.#candidates.push(seat);
    }
    return isAny;
  }

  #take(draw: Draw): M | undefined {
    while (isFilled(this.#candidates)) {
      const seat = this.#policy.choose(this.#candidates, draw);
      const { slot, maxConnections } = seat.member;
      if (this.#state.acquire(slot, maxConnections, this.#worker)) return seat.member;
      // Another worker was faster to the last place.
      this.#candidates.splice(this.#candidates.indexOf(seat), 1);
    }
    return undefined;
  }
}

function isUp(state: MemberState): boolean {
  return state === 'up';
}

function isSick(state: MemberState): boolean {
  return state === 'down' || state === 'ejected';
}

function isFilled<C extends Candidate>(candidates: readonly C[]): candidates is Candidates<C> {
  return candidates.length > 0;
}

function groupByPriority<M extends Member>(members: readonly M[]): Seat<M>[][] {
  const groups = new Map<number, Seat<M>[]>();
  for (const member of members) {
    const seat = { member, hash: hashText(member.key), weight: 0, active: 0 };
    const group = groups.get(member.priority);
    if (group === undefined) groups.set(member.priority, [seat]);
    else group.push(seat);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
}
