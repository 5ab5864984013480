import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { DifferentialClient } from './differential-client.ts';

/** A client that speaks in clear and keeps its side open until the test ends it. */
export class ClearClient implements DifferentialClient {
  readonly socket: Socket;
  /** All that came. */
  text = '';
  readonly #ended: Promise<'fin' | 'reset'>;

  constructor(port: number) {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
    const { promise, resolve } = Promise.withResolvers<'fin' | 'reset'>();
    this.#ended = promise;
    socket.on('end', () => resolve('fin'));
    socket.on('error', () => resolve('reset'));
    socket.on('close', () => resolve('reset'));
  }

  async receive(text: string): Promise<void> {
    while (!this.text.includes(text)) await once(this.socket, 'data');
  }

  /** Resolves when the other side has finished or broken off; closes then. */
  async ended(): Promise<'fin' | 'reset'> {
    const end = await this.#ended;
    this.socket.end();
    return end;
  }
}
