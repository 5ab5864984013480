import { RuntimeError } from '../../errors.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { assertTopology, queuesOf, type Topology } from './topology.ts';

export interface QueueMakerOptions {
  readonly topology: Topology;
  readonly clock: FeedClock;
  /** A queue of which the broker had kept nothing but the name is there again, empty. */
  readonly onRemade: (queue: string) => void;
}

/** RabbitMQ confirms what a new quorum queue takes before it has written down which log is that of the queue. */
export const YOUNG_MS = 10_000;
/** So long a queue has to confirm, as for a finding. */
const CONFIRM_MS = 5000;
/** One that works confirms within milliseconds. */
const SECOND_LOOK_MS = 500;

/**
 * Makes what is to be at the broker. A RabbitMQ that is killed a moment after a queue was made may come back with a queue
 * that has a name, no log and no leader: it takes nothing, ever (rabbitmq-server#15725). One that this gateway had made
 * just then is made anew; what others have made, or what has been there for longer, is never deleted: a majority of a
 * cluster may be away, and come back with what is in it.
 */
export class QueueMaker {
  readonly #options: QueueMakerOptions;
  /** Of the queues that this gateway has made: when. */
  readonly #madeMs: Map<string, number> = new Map();
  /** Made a moment before the connection was lost. */
  readonly #young: Set<string> = new Set();
  /** The broker may have queues that take nothing. */
  #isDoubtful = false;

  constructor(options: QueueMakerOptions) {
    this.#options = options;
  }

  /** Returns the queues that were not there. Throws `ICAPGW_FEED_BROKER` where one takes nothing, and what the channel throws. */
  async make(connection: BrokerConnection): Promise<readonly string[]> {
    const { topology, clock } = this.#options;
    if (this.#isDoubtful) await this.#mend(connection);
    // Until they have been used the next connection looks at them.
    this.#isDoubtful = true;
    const missing: string[] = [];
    for (const queue of queuesOf(topology)) if (!(await connection.hasQueue(queue))) missing.push(queue);
    const noteMade = (): void => {
      for (const queue of missing) this.#madeMs.set(queue, clock.nowMs());
    };
    // Before that too: a broker that is killed meanwhile has made some of them.
    noteMade();
    await assertTopology(connection.channel, topology);
    noteMade();
    return missing;
  }

  /** All that was made is in use. */
  proven(): void {
    this.#isDoubtful = false;
    this.#young.clear();
  }

  /** The connection is gone. */
  lost(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [queue, madeMs] of this.#madeMs) {
      // A clock that was set back makes nothing young again.
      if (Math.abs(nowMs - madeMs) < YOUNG_MS) this.#young.add(queue);
    }
    this.#madeMs.clear();
    if (this.#young.size > 0) this.#isDoubtful = true;
  }

  async #mend(connection: BrokerConnection): Promise<void> {
    const { topology, onRemade } = this.#options;
    const asked = queuesOf(topology).map(async (queue) =>
      (await connection.confirms(queue, CONFIRM_MS)) ? [] : queue,
    );
    for (const queue of (await Promise.all(asked)).flat()) {
      if (connection.isOver) throw unusable('the connection was lost');
      // What is not there confirms: there is nothing to keep.
      if (!this.#young.has(queue)) {
        throw unusable(`queue ${queue} takes nothing: has it a leader? "rabbitmq-queues quorum_status ${queue}" tells`);
      }
      // Another gateway that made it at the same time may have made it anew meanwhile, and put something in.
      if (await connection.confirms(queue, SECOND_LOOK_MS)) continue;
      await connection.channel.deleteQueue(queue);
      onRemade(queue);
    }
  }
}

function unusable(detail: string): RuntimeError {
  return new RuntimeError('ICAPGW_FEED_BROKER', { detail });
}
