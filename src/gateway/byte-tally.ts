import type { ServiceContext } from './context.ts';

/** What a session has moved, as far as its service's counters know. */
export class ByteTally {
  #received = 0;
  #sent = 0;

  /** Tells the counters what has moved since the last call, of these totals. Returns whether anything has. */
  tell({ counters, index }: Pick<ServiceContext, 'counters' | 'index'>, received: number, sent: number): boolean {
    if (received === this.#received && sent === this.#sent) return false;
    counters.bytes(index, received - this.#received, sent - this.#sent);
    this.#received = received;
    this.#sent = sent;
    return true;
  }
}
