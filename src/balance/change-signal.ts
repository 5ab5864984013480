/** Lets threads that share memory wait, without blocking, until one of them says that something changed. */
export class ChangeSignal {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #version: number;
  #next: Promise<void> | undefined;

  /** `version` is the index of a word that nothing else uses. */
  constructor(words: Int32Array<SharedArrayBuffer>, version: number) {
    this.#words = words;
    this.#version = version;
  }

  /** Resolves every promise that `next` has given out, in all threads. */
  raise(): void {
    Atomics.add(this.#words, this.#version, 1);
    Atomics.notify(this.#words, this.#version);
  }

  /**
   * Resolves after the next `raise`. Ask for it before the look at what may change: what changes between the look and a
   * later call would go unnoticed. It keeps no thread alive.
   */
  next(): Promise<void> {
    // One wait per thread, however many callers: an abandoned one would stay in the engine's list until the next raise.
    if (this.#next !== undefined) return this.#next;
    const wait = Atomics.waitAsync(this.#words, this.#version, Atomics.load(this.#words, this.#version));
    if (!wait.async) return Promise.resolve();
    this.#next = wait.value.then(() => {
      this.#next = undefined;
    });
    return this.#next;
  }
}
