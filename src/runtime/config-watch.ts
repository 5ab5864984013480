import { loadDocument } from '../config/load.ts';
import { fingerprint } from './file-watch.ts';

/** Two looks that see the same end a change: it is taken within a second of the last write. */
const CHECK_MS = 400;

/**
 * Tells when the configuration on the disk, or a file it includes, is no longer the one that was there when the watch
 * was made. A file that is still being written is waited for, and one that cannot be used is told of once.
 */
export class ConfigWatch implements Disposable {
  readonly #file: string;
  readonly #cwd: string;
  #sources: readonly string[];
  #taken: string;
  #timer: NodeJS.Timeout | undefined;

  /** Begins to compare: to be made before the configuration is loaded, so that no change falls between. */
  constructor(file: string, cwd: string) {
    this.#file = file;
    this.#cwd = cwd;
    this.#sources = loadDocument(file, cwd).sources;
    this.#taken = fingerprint(this.#sources);
  }

  start(onChange: () => void): void {
    let previous = this.#taken;
    this.#timer = setInterval(() => {
      const current = fingerprint(this.#sources);
      const isSettled = current === previous;
      previous = current;
      if (!isSettled || current === this.#taken) return;
      // Includes may have come and gone; what they are now counts as seen, as it is loaded after this.
      this.#sources = loadDocument(this.#file, this.#cwd).sources;
      this.#taken = fingerprint(this.#sources);
      previous = this.#taken;
      onChange();
    }, CHECK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
