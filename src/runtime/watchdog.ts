export interface WatchdogOptions {
  /** How long it goes without food. */
  readonly timeoutMs: number;
  /** Resolves when everybody who must be alive has answered. */
  readonly ping: () => Promise<void>;
  readonly feed: () => void;
  /** Nobody is fed: an answer has been missing for so long. Called once for each silence. */
  readonly onSilence: (ms: number) => void;
}

/** How long the watchdog of the service manager waits for this process; undefined: it has none. */
export function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched = String(pid) } = env;
  // A parent's watchdog may have been inherited.
  return /^[1-9]\d*$/.test(usec) && watched === String(pid) ? Number(usec) / 1000 : undefined;
}

/**
 * Feeds the watchdog twice in its time, with a proof of life each time: that this thread runs its timers is no proof
 * that the others still carry traffic.
 */
export class Watchdog implements Disposable {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  #askedMs: number | undefined;
  #isSilent = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), options.timeoutMs / 2);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const { ping, feed, onSilence } = this.#options;
    if (this.#askedMs !== undefined) {
      if (!this.#isSilent) onSilence(Math.round(performance.now() - this.#askedMs));
      this.#isSilent = true;
      return;
    }
    this.#askedMs = performance.now();
    ping().then(
      () => {
        this.#askedMs = undefined;
        this.#isSilent = false;
        feed();
      },
      // Who could not even be asked does not answer.
      () => {},
    );
  }
}
