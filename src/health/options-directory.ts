import type { ServiceOptions } from '../icap/service-options.ts';
import { type AskOptions, MemberCatalog } from './member-catalog.ts';
import type { MemberOptions, PathOptions } from './path-options.ts';
import type { KnownPath } from './service-plan.ts';

/** A member with what it takes to ask it. */
export interface DirectoryMember {
  readonly slot: number;
  readonly backend: number;
  /** Who it is: another key in the same slot is another member. */
  readonly key: string;
  readonly ask: AskOptions;
}

export interface OptionsDirectoryOptions {
  /** Asked for from the start. */
  readonly paths: readonly KnownPath[];
  readonly timeoutMs: number;
  /** Until a member is asked again that did not answer. */
  readonly retryMs: number;
  /** Told everything that is known, whenever something changes. */
  readonly onPaths: (paths: readonly PathOptions[]) => void;
  /** What one member says of one path; undefined when it denies the path. */
  readonly onOptions: (slot: number, path: string, options: ServiceOptions | undefined) => void;
  /** There is no room for this path. Told once, for the first one. */
  readonly onIgnored: (path: string) => void;
}

/** Clients decide what is learned, so it is bounded. */
const MAX_LEARNED = 64;

interface Seat {
  readonly member: DirectoryMember;
  readonly catalog: MemberCatalog;
}

/**
 * What the backends of one service say of their paths. A path is told from the moment when each of its members has
 * answered for it or is known to fail. Runs from the first `setMembers` until it is disposed.
 */
export class OptionsDirectory implements Disposable {
  readonly #options: OptionsDirectoryOptions;
  readonly #paths: Map<string, ReadonlySet<number> | undefined>;
  readonly #told: Set<string> = new Set();
  #seats: readonly Seat[] = [];
  /** The oldest first. */
  readonly #learned: Set<string> = new Set();
  #room = MAX_LEARNED;
  #hasIgnored = false;

  constructor(options: OptionsDirectoryOptions) {
    this.#options = options;
    this.#paths = new Map(options.paths.map(({ path, backends }) => [path, backends]));
  }

  /** All paths that can be told now. */
  get paths(): readonly PathOptions[] {
    return Array.from(this.#paths.keys())
      .filter((path) => this.#told.has(path))
      .map((path) => ({ path, members: this.#membersOf(path) }));
  }

  /** Replaces the members. One that stays keeps its answers. */
  setMembers(members: readonly DirectoryMember[]): void {
    const known = new Map(this.#seats.map((seat) => [seat.member.slot, seat]));
    this.#seats = members.map((member) => {
      const seat = known.get(member.slot);
      if (seat?.member.key !== member.key) return this.#createSeat(member);
      known.delete(member.slot);
      return seat;
    });
    for (const { catalog } of known.values()) catalog[Symbol.dispose]();
    if (members.length === 0) return;
    for (const path of this.#paths.keys()) if (this.#isComplete(path)) this.#told.add(path);
    this.#options.onPaths(this.paths);
  }

  /** Asks for a path that a client named. Known ones cost nothing. */
  learn(path: string): void {
    if (this.#paths.has(path)) return;
    if (this.#room === 0 && !this.#forgetDenied()) {
      if (!this.#hasIgnored) this.#options.onIgnored(path);
      this.#hasIgnored = true;
      return;
    }
    this.#room -= 1;
    this.#learned.add(path);
    this.#paths.set(path, undefined);
    for (const { catalog } of this.#seats) catalog.add(path);
    // Where nobody can be asked, that is the answer.
    this.#changed(path);
  }

  /** Makes room by a path that nobody serves: clients invent those. */
  #forgetDenied(): boolean {
    for (const path of this.#learned) {
      if (!this.#told.has(path) || this.#membersOf(path).some(({ options }) => options !== undefined)) continue;
      this.#learned.delete(path);
      this.#paths.delete(path);
      this.#told.delete(path);
      for (const { catalog } of this.#seats) catalog.remove(path);
      this.#room += 1;
      return true;
    }
    return false;
  }

  /** A member has come back: what it says may have changed. */
  refresh(slot: number): void {
    this.#catalogOf(slot)?.refresh();
  }

  /** Leaves a member alone until `refresh`. */
  hold(slot: number): void {
    this.#catalogOf(slot)?.hold();
  }

  [Symbol.dispose](): void {
    for (const { catalog } of this.#seats) catalog[Symbol.dispose]();
  }

  #createSeat(member: DirectoryMember): Seat {
    const { timeoutMs, retryMs, onOptions } = this.#options;
    const { ask, slot, backend } = member;
    const catalog = new MemberCatalog({
      ...{ ask, timeoutMs, retryMs },
      onChange: (path) => {
        const entry = catalog.entryOf(path);
        if (entry !== undefined && entry.status !== 0) onOptions(slot, path, entry.options);
        this.#changed(path);
      },
    });
    for (const [path, backends] of this.#paths) {
      if (backends === undefined || backends.has(backend)) catalog.add(path);
    }
    return { member, catalog };
  }

  #changed(path: string): void {
    if (!this.#told.has(path) && !this.#isComplete(path)) return;
    this.#told.add(path);
    this.#options.onPaths(this.paths);
  }

  #isComplete(path: string): boolean {
    return this.#seatsOf(path).every(({ catalog }) => catalog.entryOf(path)?.isSettled === true);
  }

  #membersOf(path: string): readonly MemberOptions[] {
    return this.#seatsOf(path).map(({ member: { slot, backend }, catalog }) => {
      const { status = 0, options, fetchedAtMs = 0 } = catalog.entryOf(path) ?? {};
      return { slot, backend, status, options, fetchedAtMs };
    });
  }

  /** Those who are asked about a path. */
  #seatsOf(path: string): readonly Seat[] {
    const backends = this.#paths.get(path);
    return this.#seats.filter(({ member }) => backends === undefined || backends.has(member.backend));
  }

  #catalogOf(slot: number): MemberCatalog | undefined {
    return this.#seats.find(({ member }) => member.slot === slot)?.catalog;
  }
}
