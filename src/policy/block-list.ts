/** An address or network whose clients are turned away. */
export interface Block {
  readonly address: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Epoch milliseconds; undefined: until it is lifted. */
  readonly untilMs: number | undefined;
}

/** Every entry is looked at for every new connection: so many cost less than a microsecond. */
export const MAX_BLOCKS = 4096;

/** Whom an operator has blocked, and until when. The caller gives addresses in one spelling, and the time. */
export class BlockList {
  readonly #blocks: Map<string, Block> = new Map();

  /** Also replaces the end of a block that exists, which keeps its begin. Returns false when the list is full. */
  add(block: Block): boolean {
    const before = this.#blocks.get(block.address);
    if (before === undefined && this.#blocks.size >= MAX_BLOCKS) return false;
    this.#blocks.set(block.address, { ...block, sinceMs: before?.sinceMs ?? block.sinceMs });
    return true;
  }

  /** Returns whether it was blocked. */
  remove(address: string): boolean {
    return this.#blocks.delete(address);
  }

  /** Lifts and returns what has had its time. */
  expire(nowMs: number): readonly Block[] {
    const over = this.blocks.filter(({ untilMs }) => untilMs !== undefined && untilMs <= nowMs);
    for (const { address } of over) this.#blocks.delete(address);
    return over;
  }

  /** In the order in which they were blocked. */
  get blocks(): readonly Block[] {
    return [...this.#blocks.values()];
  }

  /** When the next block ends; undefined: none does by itself. */
  get nextEndMs(): number | undefined {
    const ends = this.blocks.flatMap(({ untilMs = [] }) => untilMs);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }
}
