/** The slots of one backend. Who has a slot, by its key, keeps it for as long as it stays. */
export class SlotRange {
  readonly #first: number;
  readonly #count: number;
  #slots: ReadonlyMap<string, number> = new Map();

  constructor(first: number, count: number) {
    this.#first = first;
    this.#count = count;
  }

  /**
   * Gives each of these, at most as many as there are slots, one of them. A new one prefers a slot that `isBusy` denies:
   * connections to who had the slot before may still be counted there.
   */
  assign<K extends { readonly key: string }>(
    keyed: readonly K[],
    isBusy: (slot: number) => boolean,
  ): readonly (K & { readonly slot: number })[] {
    const kept = new Set(keyed.map(({ key }) => this.#slots.get(key)));
    const free = Array.from({ length: this.#count }, (_, i) => this.#first + i).filter((slot) => !kept.has(slot));
    const idleFirst = [...free.filter((slot) => !isBusy(slot)), ...free.filter(isBusy)];
    const seated = keyed.map((each) => {
      const slot = this.#slots.get(each.key) ?? idleFirst.shift();
      if (slot === undefined) throw new RangeError(`${keyed.length} do not fit into ${this.#count} slots`);
      return { ...each, slot };
    });
    this.#slots = new Map(seated.map(({ key, slot }) => [key, slot]));
    return seated;
  }
}
