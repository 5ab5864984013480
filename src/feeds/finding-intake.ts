import type { FeedTally } from '../observe/feed-tally.ts';
import type { Logger } from '../observe/logger.ts';
import type { FeedClock } from './contract/feed-clock.ts';
import type { FeedQueue, Sighting } from './contract/feed-queue.ts';
import type { Indicator } from './contract/indicator.ts';
import type { Intake, Taken } from './contract/intake.ts';
import type { Guard } from './guard.ts';

export interface FindingIntakeOptions {
  /** The name of the source. */
  readonly source: string;
  readonly queue: FeedQueue;
  readonly clock: FeedClock;
  /** Both are asked each time: another configuration may say otherwise. */
  readonly guard: () => Guard;
  readonly durationMs: () => number;
  readonly tally: FeedTally;
  readonly log: Pick<Logger, 'log'>;
}

/** Takes what one source found: judges each address once, and brings those that may be blocked to the queue. */
export class FindingIntake implements Intake {
  readonly #options: FindingIntakeOptions;

  constructor(options: FindingIntakeOptions) {
    this.#options = options;
  }

  async take(found: readonly Indicator[]): Promise<Taken> {
    const { source, queue, clock, guard, durationMs, tally, log } = this.#options;
    const untilMs = clock.nowMs() + durationMs();
    const sightings: Sighting[] = [];
    const ignored: (readonly [address: string, reason: ReturnType<Guard['reasonAgainst']> & string])[] = [];
    const judge = guard();
    for (const [address, findings] of Map.groupBy(found, (indicator) => indicator.address)) {
      const reason = judge.reasonAgainst(address);
      const type = findings.at(-1)?.type ?? '';
      if (reason !== undefined) ignored.push([address, reason]);
      else sightings.push({ address, source, type, untilMs, findings: findings.length });
    }
    const { blocked, extended } = await queue.put(sightings);
    tally.addresses(source, 'blocked', blocked);
    tally.addresses(source, 'extended', extended);
    tally.addresses(source, 'ignored', ignored.length);
    for (const [address, reason] of ignored) {
      tally.ignored(source, reason, 1);
      log.log('feed-address-ignored', { feed: source, address, reason });
    }
    for (const { address, type } of sightings) {
      log.log('feed-address-taken', { feed: source, address, type, until: new Date(untilMs).toISOString() });
    }
    return { blocked, extended, ignored: ignored.length };
  }
}
