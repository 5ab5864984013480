/** What became of a set of addresses. */
export interface SlotAssignment {
  /** Address to slot, in the order of the addresses. */
  readonly slots: ReadonlyMap<string, number>;
  /** Addresses for which there was no slot. */
  readonly ignored: readonly string[];
}

/** The slots of one backend. An address keeps its slot for as long as it stays. */
export class SlotRange {
  readonly #first: number;
  readonly #count: number;
  #slots: ReadonlyMap<string, number> = new Map();

  constructor(first: number, count: number) {
    this.#first = first;
    this.#count = count;
  }

  /**
   * Gives every address a slot. A new one prefers a slot that `isBusy` denies: connections to the address that had the
   * slot before may still be counted there.
   */
  assign(addresses: readonly string[], isBusy: (slot: number) => boolean): SlotAssignment {
    const kept = new Set(addresses.map((address) => this.#slots.get(address)));
    const free = Array.from({ length: this.#count }, (_, i) => this.#first + i).filter((slot) => !kept.has(slot));
    const idleFirst = [...free.filter((slot) => !isBusy(slot)), ...free.filter(isBusy)];
    const slots = new Map<string, number>();
    const ignored: string[] = [];
    for (const address of addresses) {
      const slot = this.#slots.get(address) ?? idleFirst.shift();
      if (slot === undefined) ignored.push(address);
      else slots.set(address, slot);
    }
    this.#slots = slots;
    return { slots, ignored };
  }
}
