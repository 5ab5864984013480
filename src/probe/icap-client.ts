import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { IcapProtocolError, messageOf, UpstreamError } from '../errors.ts';
import type { IcapLimits } from '../icap/limits.ts';
import type { MessageReader } from '../icap/message-reader.ts';
import type { ResponseHead } from '../icap/response-head.ts';
import { createResponseReader } from '../icap/response-reader.ts';
import { FirstLine, type ForeignAnswer } from './first-line.ts';
import { type Reply, ReplyBuilder } from './reply.ts';

/** For the rest of a request whose server has answered and reads no more. */
const GOODBYE_MS = 1000;

export interface IcapClientOptions {
  /** The address of the server, for errors. */
  readonly backend: string;
  readonly limits: IcapLimits;
  /** The longest silence of the server while it is waited for. */
  readonly silenceMs: number;
  /** What to think of a server that closes without a byte. */
  readonly silentCloseHint: string;
  /** Says what an error of the connection means. */
  explain(error: unknown): string | undefined;
}

/**
 * The client's end of one ICAP connection: sends bytes while it reads, so that a server may answer early or echo as it
 * receives. One request at a time. Owns the stream.
 */
export class IcapClient {
  readonly #stream: Duplex;
  readonly #options: IcapClientOptions;
  readonly #reader: MessageReader<ResponseHead>;
  /** Aborted with the reason when no more bytes can come or go. */
  readonly #over: AbortController = new AbortController();
  #method = '';
  #builder: ReplyBuilder = new ReplyBuilder();
  #reply: PromiseWithResolvers<Reply> = Promise.withResolvers();
  #isWaiting = false;
  #isReusable = true;
  #hasReceived = false;
  readonly #firstLine: FirstLine = new FirstLine();
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, options: IcapClientOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#reader = createResponseReader(options.limits, () => this.#method);
    // The connection may end before there is a request.
    this.#reply.promise.catch(() => {});
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    stream.on('error', (error) => this.#end(this.#closedError(error)));
    stream.on('end', () => this.#end(this.#closedError(undefined)));
    stream.on('close', () => this.#end(this.#closedError(undefined)));
  }

  /** Whether another request may follow on this connection. */
  get isReusable(): boolean {
    return this.#isReusable && this.#reader.unreadBytes === 0 && !this.#over.signal.aborted;
  }

  /** Whether a response is still to come, or the rest of it. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** The server has not said a byte to the first question that anybody asks. */
  get isUnheard(): boolean {
    return !this.#hasReceived && this.#method === 'OPTIONS';
  }

  /** Announces a request, before its first byte is sent. */
  begin(method: string): void {
    this.#method = method;
    this.#expectReply();
  }

  /** Announces that one more response to the same request is to come, because the last one was a 100. */
  expectAnother(): void {
    this.#expectReply();
  }

  /**
   * The response to the request. Throws UpstreamError when the connection ends or the server stays silent,
   * IcapProtocolError when what comes is not ICAP.
   */
  async reply(): Promise<Reply> {
    this.#startTimer();
    try {
      return await this.#reply.promise;
    } finally {
      this.#stopTimer();
    }
  }

  /** Sends bytes; resolves when more may follow. That the connection ended is told by `reply`. */
  async send(bytes: Buffer): Promise<void> {
    if (this.#over.signal.aborted || this.#stream.write(bytes)) return;
    this.#startTimer();
    const drained = once(this.#stream, 'drain', { signal: this.#over.signal });
    await Promise.allSettled([Promise.race([drained, this.#reply.promise])]);
    this.#stopTimer();
  }

  /** The request was not sent to its end: what follows on this connection would be taken for its body. */
  abandonRequest(): void {
    this.#isReusable = false;
  }

  /** Ends the connection now. With a reason, whoever waits for a response gets it, or what the server said in place of ICAP. */
  close(reason?: Error): void {
    this.#stopTimer();
    if (reason !== undefined) this.#end(reason);
    this.#stream.destroy();
  }

  /**
   * Ends the connection in good order where no answer is under way: with close_notify and FIN. A cut connection is an error
   * to a TLS server, and c-icap makes later connections pay for it.
   */
  leave(): void {
    if (this.#isWaiting || this.#over.signal.aborted) {
      this.close();
      return;
    }
    this.#over.abort(new Error('left'));
    const cut = setTimeout(() => this.#stream.destroy(), GOODBYE_MS);
    this.#stream.end(() => {
      clearTimeout(cut);
      this.#stream.destroy();
    });
  }

  #expectReply(): void {
    this.#isWaiting = true;
    this.#builder = new ReplyBuilder();
    this.#reply = Promise.withResolvers();
    // It is asked for only after everything is sent, so a failure may come before anybody listens.
    this.#reply.promise.catch(() => {});
    if (this.#over.signal.aborted) this.#reply.reject(this.#over.signal.reason);
    else this.#readEvents();
  }

  #receive(bytes: Buffer): void {
    if (this.#over.signal.aborted) return;
    this.#hasReceived = true;
    this.#firstLine.push(bytes);
    if (this.#firstLine.isComplete && this.#firstLine.foreign !== undefined) {
      this.close(this.#foreignError(this.#firstLine.foreign));
      return;
    }
    this.#reader.push(bytes);
    if (!this.#isWaiting) return;
    this.#timer?.refresh();
    this.#readEvents();
  }

  #readEvents(): void {
    try {
      for (let event = this.#reader.read(); event !== undefined; event = this.#reader.read()) {
        const reply = this.#builder.add(event);
        if (reply === undefined) continue;
        this.#isWaiting = false;
        this.#isReusable &&= !reply.head.close;
        this.#reader.next();
        this.#reply.resolve(reply);
        return;
      }
    } catch (error) {
      if (!(error instanceof IcapProtocolError)) throw error;
      this.close(error);
    }
  }

  #startTimer(): void {
    this.#stopTimer();
    const { backend, silenceMs } = this.#options;
    this.#timer = setTimeout(() => {
      const detail = `${backend} was silent for ${silenceMs} ms`;
      this.close(new UpstreamError('ICAPGW_UPSTREAM_TIMEOUT', { backend, detail }));
    }, silenceMs);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    // A timer that was cleared would start again at `refresh`.
    this.#timer = undefined;
  }

  #end(reason: Error): void {
    if (this.#over.signal.aborted) return;
    const { foreign } = this.#firstLine;
    const told = reason instanceof UpstreamError && foreign !== undefined ? this.#foreignError(foreign) : reason;
    this.#over.abort(told);
    this.#reply.reject(told);
  }

  #foreignError({ said, advice }: ForeignAnswer): IcapProtocolError {
    // Who has answered OPTIONS in ICAP is an ICAP server, whatever this is.
    const isFirst = this.#method === '' || this.#method === 'OPTIONS';
    const detail = `${this.#options.backend} ${said}${isFirst ? `: ${advice}` : ''}`;
    return new IcapProtocolError('ICAPGW_ICAP_BAD_START_LINE', { offset: 0, detail });
  }

  #closedError(cause: unknown): UpstreamError {
    const { backend, silentCloseHint, explain } = this.#options;
    const hint = this.#hasReceived ? '' : `: ${silentCloseHint}`;
    const text = cause === undefined ? `${backend} closed the connection` : `${backend}: ${messageOf(cause)}`;
    return new UpstreamError('ICAPGW_UPSTREAM_CLOSED', { backend, cause, detail: explain(cause) ?? text + hint });
  }
}
