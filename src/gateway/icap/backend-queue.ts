import type { AddressedMember } from '../../health/membership.ts';
import type { ServiceContext } from '../context.ts';
import type { BackendConnections } from './backend-connections.ts';
import type { SearchEnd } from './member-search.ts';

/** An active place at a member, taken in the pool state. `reuse`: it was that of an idle connection of this worker. */
export interface Place {
  readonly member: AddressedMember;
  readonly reuse: boolean;
}

export interface QueueHandlers {
  readonly onPlace: (place: Place) => void;
  readonly onEnd: (end: SearchEnd) => void;
}

export interface QueueTicket {
  cancel(): void;
}

interface Waiter extends QueueTicket {
  readonly pick: () => Place | 'full' | undefined;
  readonly handlers: QueueHandlers;
  readonly deadline: NodeJS.Timeout;
}

/**
 * Transactions of one worker that wait for a place at a backend, first come, first served. Places are given back in any
 * worker, so all of them listen for changes in the pool state, and one that only keeps connections for later gives way.
 */
export class BackendQueue {
  readonly #service: ServiceContext;
  readonly #connections: BackendConnections;
  readonly #waiters: Set<Waiter> = new Set();
  #isListening = false;

  constructor(service: ServiceContext, connections: BackendConnections) {
    this.#service = service;
    this.#connections = connections;
  }

  /** Whether somebody waits here already, whom nobody may overtake. */
  get isWaiting(): boolean {
    return this.#waiters.size > 0;
  }

  /** Waits until `pick` finds a place. Ends at once where the queue is full already. */
  wait(pick: Waiter['pick'], handlers: QueueHandlers): QueueTicket {
    const { pool, worker, config } = this.#service;
    const { queue, queueTimeoutMs } = config.limits;
    if (!pool.enqueue(queue, worker)) {
      // Not before the caller has its ticket.
      const immediate = setImmediate(() => handlers.onEnd('queue'));
      return { cancel: () => clearImmediate(immediate) };
    }
    const waiter: Waiter = {
      pick,
      handlers,
      deadline: setTimeout(() => {
        this.#remove(waiter);
        handlers.onEnd('queue');
      }, queueTimeoutMs),
      cancel: () => this.#remove(waiter),
    };
    this.#waiters.add(waiter);
    // A place may have come free between the caller's look and the entry into the queue.
    this.listen();
    setImmediate(() => this.#serve());
    return waiter;
  }

  /** Listens for changes from now on, until there is nobody to serve and nothing to give up. */
  listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#service.pool.waitForChange().then(() => {
      this.#isListening = false;
      // Before the look, so that no change falls between the two.
      if (this.#waiters.size > 0 || this.#connections.idleCount > 0) this.listen();
      this.#serve();
      this.#giveWay();
    }, crash);
  }

  /** Gives up places for those who wait in other workers. */
  #giveWay(): void {
    const waitingElsewhere = this.#service.pool.queued() - this.#waiters.size;
    if (waitingElsewhere > 0) this.#connections.yieldPlaces(waitingElsewhere);
  }

  /** A connection has just become idle: it is heard of when somebody else needs its place. */
  keptIdle(): void {
    this.listen();
    this.#giveWay();
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const picked = waiter.pick();
      if (picked === 'full') continue;
      this.#remove(waiter);
      if (picked === undefined) waiter.handlers.onEnd('down');
      else waiter.handlers.onPlace(picked);
    }
  }

  #remove(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    clearTimeout(waiter.deadline);
    this.#service.pool.dequeue(this.#service.worker);
  }
}

/** A wait that rejects is a mistake in this program. */
function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
