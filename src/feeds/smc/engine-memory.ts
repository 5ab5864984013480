import { BackOff, type BackOffOptions } from '../back-off.ts';
import { MAX_ADDRESSES } from './block-entry.ts';

/** What is remembered of one engine from session to session. */
export interface EngineMemory {
  readonly backOff: BackOff;
  /** How many addresses it is sent at once. */
  batchSize: number;
  /** Whether somebody was told that it can hold no entries. */
  isSkipTold: boolean;
}

/** The engines that an SMC has listed, by name. */
export class EngineMemories {
  readonly #backOff: BackOffOptions;
  readonly #engines: Map<string, EngineMemory> = new Map();

  constructor(backOff: BackOffOptions) {
    this.#backOff = backOff;
  }

  get names(): readonly string[] {
    return [...this.#engines.keys()];
  }

  of(name: string): EngineMemory {
    const known = this.#engines.get(name);
    if (known !== undefined) return known;
    const fresh = { backOff: new BackOff(this.#backOff), batchSize: MAX_ADDRESSES, isSkipTold: false };
    this.#engines.set(name, fresh);
    return fresh;
  }

  /** Forgets engines that are not there any more. Returns the names of those nobody knew. */
  keepOnly(names: readonly string[]): readonly string[] {
    const wanted: ReadonlySet<string> = new Set(names);
    const fresh = names.filter((name) => !this.#engines.has(name));
    for (const name of this.#engines.keys()) if (!wanted.has(name)) this.#engines.delete(name);
    for (const name of names) this.of(name);
    return fresh;
  }

  /** Ends all pauses. */
  forgetPauses(): void {
    for (const { backOff } of this.#engines.values()) backOff.forget();
  }
}
