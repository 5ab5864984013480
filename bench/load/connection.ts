import { once } from 'node:events';
import type { SocketConstructorOpts } from 'node:net';
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { IcapExchange } from '../icap-message.ts';
import { MessageEnd } from '../message-end.ts';

export interface LoadConnectionOptions {
  readonly port: number;
  readonly secureContext: SecureContext;
  readonly session: Buffer | undefined;
}

// Every read ends in a callback before the next one begins, so all connections share one buffer.
const READ_BUFFER = Buffer.allocUnsafe(64 * 1_024);

interface Pending {
  readonly end: MessageEnd;
  readonly done: PromiseWithResolvers<void>;
}

/** One TLS client connection that does one exchange at a time. Whoever opened it closes it. */
export class LoadConnection {
  readonly #socket: TLSSocket;
  #session: Buffer | undefined;
  #pending: Pending | undefined;

  constructor(options: LoadConnectionOptions) {
    // The types leave `onread` out of TLS; the runtime has it, and it spares the generator a buffer per read.
    const tls: ConnectionOptions & Pick<SocketConstructorOpts, 'onread'> = {
      host: '127.0.0.1',
      port: options.port,
      servername: 'localhost',
      secureContext: options.secureContext,
      onread: { buffer: READ_BUFFER, callback: (byteCount) => this.#onRead(byteCount) },
      ...(options.session === undefined ? {} : { session: options.session }),
    };
    this.#socket = connect(tls);
    this.#socket.setNoDelay();
    this.#socket.on('session', (session) => {
      this.#session = session;
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection ended before the reply did')));
  }

  async opened(): Promise<void> {
    await once(this.#socket, 'secureConnect');
  }

  /** Sends the request; resolves after the last byte of the reply. */
  exchange({ request, hasBody }: IcapExchange): Promise<void> {
    if (this.#socket.destroyed) return Promise.reject(new Error('the connection ended between two exchanges'));
    const done = Promise.withResolvers<void>();
    const end = new MessageEnd();
    end.begin(hasBody);
    this.#pending = { end, done };
    this.#socket.write(request);
    return done.promise;
  }

  /** The newest ticket the server sent. */
  get session(): Buffer | undefined {
    return this.#session;
  }

  get isResumed(): boolean {
    return this.#socket.isSessionReused();
  }

  /** Says goodbye and waits until the other side is gone too: tearing down is part of a connection's price. */
  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.end();
    await closed;
  }

  #onRead(byteCount: number): boolean {
    const pending = this.#pending;
    if (pending === undefined) {
      this.#socket.destroy(new Error('bytes came that nobody asked for'));
      return false;
    }
    if (!pending.end.isReachedBy(READ_BUFFER.subarray(0, byteCount))) return true;
    this.#pending = undefined;
    pending.done.resolve();
    return true;
  }

  #fail(error: Error): void {
    this.#pending?.done.reject(error);
    this.#pending = undefined;
  }
}
