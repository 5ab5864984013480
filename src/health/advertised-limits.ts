import type { Member } from '../balance/policy.ts';

type LimitedMember = Pick<Member, 'slot' | 'key' | 'maxConnections'>;

/** What the pool can hold. */
const HIGHEST = 2 ** 31 - 1;

/** What one member says of its limit. */
interface Advertisement {
  readonly key: string;
  /** By path: services of one server may have limits of their own. */
  readonly byPath: Map<string, number>;
}

/** Turns the Max-Connections of OPTIONS answers into limits of the pool, where the configuration sets none. */
export class AdvertisedLimits {
  readonly #setLimit: (slot: number, limit: number) => void;
  readonly #advertised: Map<number, Advertisement> = new Map();

  /** `setLimit` as PoolState has it; 0: none. */
  constructor(setLimit: (slot: number, limit: number) => void) {
    this.#setLimit = setLimit;
  }

  /** `maxConnections`: as answered for this path; undefined: the answer says nothing about it. The smallest counts. */
  record(member: LimitedMember, path: string, maxConnections: number | undefined): void {
    if (member.maxConnections > 0) return;
    const { byPath } = this.#of(member);
    // No server means that nobody may connect.
    if (maxConnections === undefined || maxConnections === 0) byPath.delete(path);
    else byPath.set(path, maxConnections);
    // One connection is kept for the health checks.
    const limit = byPath.size === 0 ? 0 : Math.max(1, Math.min(...byPath.values(), HIGHEST) - 1);
    this.#setLimit(member.slot, limit);
  }

  #of({ slot, key }: LimitedMember): Advertisement {
    const known = this.#advertised.get(slot);
    if (known?.key === key) return known;
    const fresh = { key, byPath: new Map<string, number>() };
    this.#advertised.set(slot, fresh);
    return fresh;
  }
}
