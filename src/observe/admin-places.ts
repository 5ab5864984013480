import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The places for connections of a server. Somebody who takes them all and says nothing, says it slowly or does not read
 * what is answered keeps nobody out: where there is no place left, the one for whom nothing was done for the longest
 * gives way. Only where something is being done for each of them is the newcomer turned away.
 */
export class AdminPlaces {
  /** Those for whom nothing is being done, the longest waiting first. */
  readonly #waiting: Set<Socket> = new Set();
  /** How many requests are being worked on: a client may send several without waiting for an answer. */
  readonly #working: Map<Socket, number> = new Map();

  constructor(server: Server, limit: number) {
    let count = 0;
    server.on('connection', (socket) => {
      count += 1;
      this.#waiting.add(socket);
      socket.once('close', () => {
        count -= 1;
        this.#waiting.delete(socket);
      });
      if (count <= limit) return;
      const [longest] = this.#waiting;
      longest?.destroy();
    });
  }

  /** A connection keeps its place while this works for it. */
  async work<T>(socket: Socket, act: () => T | Promise<T>): Promise<T> {
    this.#waiting.delete(socket);
    this.#working.set(socket, (this.#working.get(socket) ?? 0) + 1);
    try {
      return await act();
    } finally {
      this.#finished(socket);
    }
  }

  #finished(socket: Socket): void {
    const left = (this.#working.get(socket) ?? 1) - 1;
    if (left > 0) {
      this.#working.set(socket, left);
      return;
    }
    this.#working.delete(socket);
    if (!socket.destroyed) this.#waiting.add(socket);
  }
}
