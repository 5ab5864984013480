import { mayEject } from '../balance/ejection.ts';
import type { Member } from '../balance/policy.ts';
import type { PoolState } from '../balance/pool-state.ts';
import {
  type AdministrativeState,
  type MemberPast,
  MemberWatch,
  type WatchedState,
  type WatchSettings,
} from './member-watch.ts';
import type { Probe, ProbeFailure } from './probe.ts';

/** A member with what it takes to watch it and to talk about it. */
export interface CheckedMember extends Member {
  readonly backendName: string;
  /** For logs. */
  readonly addressText: string;
  /** Undefined: no active checks (`health.type: none`). */
  readonly probe: Probe | undefined;
}

/** Told exactly once per change. */
export interface StateChange {
  readonly slot: number;
  readonly backend: string;
  readonly address: string;
  readonly from: WatchedState;
  readonly to: WatchedState;
  readonly reason: string;
}

/** Told after every probe, before the change of state it may cause. */
export interface Check {
  readonly backend: string;
  readonly address: string;
  readonly result: 'success' | ProbeFailure;
  readonly seconds: number;
}

/** A member as a status page shows it. */
export interface MemberStatus extends MemberPast {
  readonly slot: number;
  readonly backend: string;
  readonly address: string;
  readonly weight: number;
}

export interface CheckerOptions {
  readonly state: PoolState;
  readonly settings: WatchSettings;
  readonly outliers: {
    /** Failures in a row, of connections or transactions, before a member is ejected; 0: never. */
    readonly consecutiveFailures: number;
    /** 0 to 1. */
    readonly maxEjected: number;
  };
  /** As Math.random: spreads the probes. */
  readonly random: () => number;
  /** Wishes of the operator that are in force from the start, by the name of the backend. */
  readonly administrative: ReadonlyMap<string, AdministrativeState>;
  /** How a member that is new here was under the configuration before. */
  readonly earlierOf?: (member: CheckedMember) => MemberPast | undefined;
  readonly onStateChange: (change: StateChange) => void;
  readonly onCheck: (check: Check) => void;
}

/**
 * Watches the members of one service and is the only one to write their states and weights into the pool. Runs from
 * the first `setMembers` until it is disposed.
 */
export class Checker implements Disposable {
  readonly #options: CheckerOptions;
  readonly #administrative: Map<string, AdministrativeState>;
  /** Set by the operator, by the name of the backend. */
  readonly #weights: Map<string, number> = new Map();
  readonly #watched: Map<number, { member: CheckedMember; readonly watch: MemberWatch }> = new Map();

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.#administrative = new Map(options.administrative);
  }

  /** Replaces the members. One that stays in its slot keeps its health; its weight may have changed. */
  setMembers(members: readonly CheckedMember[]): void {
    const wanted = new Map(members.map((member) => [member.slot, member]));
    for (const [slot, { member, watch }] of this.#watched) {
      const next = wanted.get(slot);
      // Another key in the same slot is another member.
      if (next?.key === member.key) continue;
      watch[Symbol.dispose]();
      this.#watched.delete(slot);
    }
    for (const member of members) {
      const known = this.#watched.get(member.slot);
      if (known === undefined) {
        this.#watched.set(member.slot, { member, watch: this.#startWatch(member) });
      } else {
        known.member = member;
        known.watch.setWeight(this.#weightOf(member));
      }
    }
  }

  /** Sets all members of a backend, and those it gets later. */
  setAdministrative(backendName: string, wish: AdministrativeState): void {
    this.#administrative.set(backendName, wish);
    for (const { member, watch } of this.#watched.values()) {
      if (member.backendName === backendName) watch.setAdministrative(wish);
    }
  }

  /** Gives all members of a backend, and those it gets later, another weight than the configured one. */
  setWeight(backendName: string, weight: number): void {
    this.#weights.set(backendName, weight);
    for (const { member, watch } of this.#watched.values()) {
      if (member.backendName === backendName) watch.setWeight(weight);
    }
  }

  /** The operator's wishes, to hand on to the checker that follows this one. */
  get administrative(): ReadonlyMap<string, AdministrativeState> {
    return this.#administrative;
  }

  /**
   * A worker saw this slot fail several times in a row. Whether it is ejected is decided on the count in the pool, which
   * another worker's success may have ended since.
   */
  reportFailures(slot: number): void {
    const { state, outliers } = this.#options;
    const accused = this.#watched.get(slot)?.watch;
    const failures = state.failuresOf(slot);
    if (outliers.consecutiveFailures === 0 || failures < outliers.consecutiveFailures) return;
    if (accused?.state !== 'up') return;
    const states = [...this.#watched.values()].map(({ watch }) => watch.state);
    const count = (wanted: WatchedState) => states.filter((each) => each === wanted).length;
    const [up, ejected] = [count('up'), count('ejected')];
    const members = up + ejected + count('down');
    if (mayEject({ members, up, ejected, maxEjected: outliers.maxEjected })) {
      accused.eject(`${failures} failures in a row`);
    }
  }

  status(): readonly MemberStatus[] {
    return [...this.#watched.values()].map(({ member, watch }) => ({
      slot: member.slot,
      backend: member.backendName,
      address: member.addressText,
      state: watch.state,
      sinceMs: watch.sinceMs,
      reason: watch.reason,
      weight: watch.weight,
      lastProbe: watch.lastResult,
    }));
  }

  /** Stops all probes and timers. The slots stay as they are: others still choose by them. */
  retire(): void {
    for (const { watch } of this.#watched.values()) watch.stop();
  }

  /** Stops all probes and timers. The slots become unused. */
  [Symbol.dispose](): void {
    this.setMembers([]);
  }

  #weightOf({ backendName, weight }: CheckedMember): number {
    return this.#weights.get(backendName) ?? weight;
  }

  #startWatch(checked: CheckedMember): MemberWatch {
    const member = { ...checked, weight: this.#weightOf(checked) };
    const { state, settings, random, onCheck, onStateChange } = this.#options;
    const { slot, backendName: backend, addressText: address, probe } = member;
    const administrative = this.#administrative.get(backend) ?? 'ready';
    return new MemberWatch({
      ...{ member, probe, administrative, state, settings, random },
      earlier: this.#options.earlierOf?.(member),
      onResult: (result) => {
        onCheck({ backend, address, result: result.ok ? 'success' : result.reason, seconds: result.ms / 1000 });
      },
      onState: (from, to, reason) => onStateChange({ slot, backend, address, from, to, reason }),
    });
  }
}
