import { hashText } from './hash.ts';
import type { Candidate, Candidates, Member, Policy } from './policy.ts';
import type { PoolState } from './pool-state.ts';

export interface SelectorOptions<M extends Member> {
  readonly policy: Policy;
  readonly members: readonly M[];
  readonly state: PoolState;
  /** The row of PoolState that this thread counts in. */
  readonly worker: number;
}

/** One client's wish for a member. */
export interface PickRequest<M extends Member = Member> {
  /** Equal keys go to the same member under `source-hash` and `header-hash`. */
  readonly hashKey: string;
  /** Slots that have already failed this client. */
  readonly tried: ReadonlySet<number>;
  /** As Math.random. */
  readonly random: () => number;
  /** On the clock of `PoolState.recordSaturation`. Without it nobody is passed over for being saturated. */
  readonly nowMs?: number | undefined;
  /** Members that it refuses are as if they were not there. */
  readonly allows?: ((member: M) => boolean) | undefined;
  /** Whether a member that is down will do when there is no other. It will, unless this is false. */
  readonly lastResort?: boolean | undefined;
}

export interface Picked<M extends Member> {
  readonly member: M;
  /** Whether it was picked although it is not up, because nobody who is up was left for this client. */
  readonly lastResort: boolean;
  /** Whether the place is that of an idle connection of this worker, which the caller now takes out of its pool. */
  readonly reuse: boolean;
}

interface Seat<M extends Member> extends Candidate {
  readonly member: M;
  /** The limit that was in force at the look. */
  limit: number;
  /** Whether this worker has an idle connection that may go into use. */
  reuse: boolean;
}

type Standing = 'up' | 'paused' | 'sick';

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
  /** Who the pick under way came across, full ones included. */
  readonly #met: Set<Standing> = new Set();

  constructor(options: SelectorOptions<M>) {
    this.#policy = options.policy;
    this.#state = options.state;
    this.#worker = options.worker;
    this.#groups = groupByPriority(options.members);
  }

  /**
   * The member that this client is to be sent to, counted as active already: the caller gives it back with
   * `PoolState.release` or `giveIdle`. `full` when somebody is up for this client, but all of those are at their limit:
   * they are alive, and members that are down would not help them. Undefined when there is nobody to wait for.
   */
  pick(request: PickRequest<M>): Picked<M> | 'full' | undefined {
    this.#met.clear();
    const picked =
      this.#pickOf('up', request) ?? (this.#met.has('paused') ? this.#pickOf('paused', request) : undefined);
    if (picked !== undefined) return picked;
    if (this.#met.has('up') || this.#met.has('paused')) return 'full';
    const isSickWelcome = request.lastResort !== false && this.#met.has('sick');
    return isSickWelcome ? this.#pickOf('sick', request) : undefined;
  }

  /** Whether `pick` would find a member that is up or say `full`. Takes no place and no turn. */
  has({ tried, allows }: Pick<PickRequest<M>, 'tried' | 'allows'>): boolean {
    return this.#groups.some((group) =>
      group.some(({ member }) => this.#standingOf(member, { tried, allows, nowMs: undefined }) === 'up'),
    );
  }

  #pickOf(wanted: Standing, request: PickRequest<M>): Picked<M> | undefined {
    for (const group of this.#groups) {
      this.#gather(group, wanted, request);
      const seat = this.#take(request);
      if (seat !== undefined) return { member: seat.member, lastResort: wanted === 'sick', reuse: seat.reuse };
    }
    return undefined;
  }

  /** Collects who in the group may be chosen. */
  #gather(group: readonly Seat<M>[], wanted: Standing, request: PickRequest<M>): void {
    this.#candidates.length = 0;
    for (const seat of group) {
      const standing = this.#standingOf(seat.member, request);
      if (standing === undefined) continue;
      this.#met.add(standing);
      if (standing === wanted && this.#hasPlace(seat)) this.#candidates.push(seat);
    }
  }

  #standingOf(member: M, { tried, allows, nowMs }: Omit<PickRequest<M>, 'hashKey' | 'random'>): Standing | undefined {
    const { slot } = member;
    if (tried.has(slot) || this.#state.weightOf(slot) === 0) return undefined;
    const state = this.#state.stateOf(slot);
    const isSick = state === 'down' || state === 'ejected';
    if (!(isSick || state === 'up') || allows?.(member) === false) return undefined;
    if (isSick) return 'sick';
    return nowMs !== undefined && this.#state.isPaused(slot, nowMs) ? 'paused' : 'up';
  }

  /** Brings the seat up to date. An idle connection is a place, though the limit may be below what is open by now. */
  #hasPlace(seat: Seat<M>): boolean {
    const { slot } = seat.member;
    seat.weight = this.#state.weightOf(slot);
    seat.limit = this.#state.limitOf(slot);
    seat.reuse = this.#state.hasIdle(slot, this.#worker);
    const isLimited = seat.limit > 0;
    seat.active = this.#policy.usesActive || (isLimited && seat.reuse) ? this.#state.activeOf(slot) : 0;
    if (!isLimited) return true;
    return seat.reuse ? seat.active < seat.limit : this.#state.openOf(slot) < seat.limit;
  }

  #take({ hashKey, tried, random }: PickRequest<M>): Seat<M> | undefined {
    if (!isFilled(this.#candidates)) return undefined;
    // A second try takes a random place instead of the next ticket: it would otherwise always fall on the same
    // neighbour of the member that failed, and disturb everybody else's turns.
    const ticket = tried.size === 0 ? this.#state.nextTicket() : Math.floor(random() * 2 ** 32);
    while (isFilled(this.#candidates)) {
      const seat = this.#policy.choose(this.#candidates, { ticket, hashKey, random });
      if (this.#occupy(seat)) return seat;
      // Another worker was faster to the last place.
      this.#candidates.splice(this.#candidates.indexOf(seat), 1);
    }
    return undefined;
  }

  #occupy({ member: { slot }, limit, reuse }: Seat<M>): boolean {
    if (!reuse) return this.#state.acquire(slot, limit, this.#worker);
    this.#state.takeIdle(slot, this.#worker);
    return true;
  }
}

function isFilled<C extends Candidate>(candidates: readonly C[]): candidates is Candidates<C> {
  return candidates.length > 0;
}

function groupByPriority<M extends Member>(members: readonly M[]): Seat<M>[][] {
  const groups = new Map<number, Seat<M>[]>();
  for (const member of members) {
    const seat = { member, hash: hashText(member.key), weight: 0, active: 0, limit: 0, reuse: false };
    const group = groups.get(member.priority);
    if (group === undefined) groups.set(member.priority, [seat]);
    else group.push(seat);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
}
