import { wrappedIpv4 } from '../net/wrapped-ipv4.ts';
import type { Logger } from '../observe/logger.ts';
import type { FeedQueue } from './contract/feed-queue.ts';
import { FeedUnavailableError } from './contract/feed-unavailable.ts';
import type { Guard } from './guard.ts';

export interface LifterOptions {
  /** Not owned. */
  readonly queue: FeedQueue;
  readonly log: Pick<Logger, 'log'>;
}

/** Lifts what was blocked before it was known that it must not be. */
export class Lifter {
  readonly #options: LifterOptions;
  /** The addresses of this process that were looked for last. */
  #ownSeen: ReadonlySet<string> | undefined;

  constructor(options: LifterOptions) {
    this.#options = options;
  }

  /** Everything that a guard would refuse as the owner's, or as allowed. */
  async liftAll(guard: Guard): Promise<void> {
    const lifting = Array.from(this.#options.queue.entries(), async ({ address }) => {
      const reason = guard.reasonAgainst(address);
      if (reason === 'own' || reason === 'allowed') await this.#lift(address, reason);
    });
    const failed = (await Promise.allSettled(lifting)).find((result) => result.status === 'rejected');
    // The queue has said so itself: what it cannot do now is done with the next configuration.
    if (failed !== undefined && !(failed.reason instanceof FeedUnavailableError)) throw failed.reason;
  }

  /** The addresses of this process, where they may be others than before: names resolve late, and interfaces change. */
  async liftOwn(own: ReadonlySet<string>): Promise<void> {
    if (own === this.#ownSeen) return;
    this.#ownSeen = own;
    const { queue } = this.#options;
    const blocked = [...own].filter((address) => queue.find(address) !== undefined);
    for (const { address } of queue.entries()) {
      if (wrappedIpv4(address).some((each) => own.has(each))) blocked.push(address);
    }
    await Promise.all([...new Set(blocked)].map((address) => this.#lift(address, 'own')));
  }

  async #lift(address: string, reason: 'own' | 'allowed'): Promise<void> {
    const { queue, log } = this.#options;
    if (await queue.remove(address)) log.log('feed-address-lifted', { address, reason });
  }
}
