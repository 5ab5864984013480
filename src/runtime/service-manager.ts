import type { Logger } from '../observe/logger.ts';
import type { StatusSnapshot } from '../observe/status.ts';
import { Notifier } from './notify.ts';
import { statusLine } from './status-line.ts';
import { Watchdog, watchdogMs } from './watchdog.ts';

/** What the service manager is told about. */
export interface ManagedGateway {
  status(): StatusSnapshot;
  /** Resolves when every worker has answered. */
  ping(): Promise<void>;
}

/** What ending takes beyond the time that connections are given. */
const END_MS = 10_000;

/** Tells systemd, or whoever set `NOTIFY_SOCKET`, how the gateway is. Does nothing where nobody did. */
export class ServiceManager implements AsyncDisposable {
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Logger;
  readonly #notifier: Notifier;
  #gateway: ManagedGateway | undefined;
  #watchdog: Watchdog | undefined;
  #hasFailed = false;

  constructor(env: NodeJS.ProcessEnv, log: Logger) {
    this.#env = env;
    this.#log = log;
    this.#notifier = new Notifier({ env, onFailure: (detail) => this.#failed(detail) });
  }

  /** The gateway serves. From here on the watchdog is fed for as long as every worker answers. */
  ready(gateway: ManagedGateway): void {
    if (!this.#notifier.isWanted) return;
    this.#gateway = gateway;
    this.#send('READY=1');
    const timeoutMs = watchdogMs(this.#env, process.pid);
    if (timeoutMs === undefined) return;
    this.#watchdog = new Watchdog({
      timeoutMs,
      ping: () => gateway.ping(),
      feed: () => this.#send('WATCHDOG=1'),
      onSilence: (ms) => this.#log.log('workers-silent', { ms }),
    });
  }

  /** Tells of a reload, from its begin to its end, whatever comes of it. */
  async whileReloading<T>(reload: () => Promise<T>): Promise<T> {
    // The clock of systemd, which compares it with the moment at which it asked for the reload.
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      return await reload();
    } finally {
      this.#send('READY=1');
    }
  }

  /** The gateway ends, which may take so long: the manager is not to kill it before, whatever `TimeoutStopSec` says. */
  stopping(longestMs: number): void {
    this.#send('STOPPING=1', `EXTEND_TIMEOUT_USEC=${(longestMs + END_MS) * 1000}`);
  }

  /** Waits until what was sent has arrived. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watchdog?.[Symbol.dispose]();
    await this.#notifier[Symbol.asyncDispose]();
  }

  #send(...assignments: readonly string[]): void {
    if (this.#gateway !== undefined)
      this.#notifier.send(...assignments, `STATUS=${statusLine(this.#gateway.status())}`);
  }

  #failed(detail: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log.log('notify-failed', { detail });
  }
}
