import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import { messageOf, RuntimeError } from '../../errors.ts';
import { BackOff } from '../back-off.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { PeerTrust } from '../peer-trust.ts';
import { type BrokerConnection, createBrokerConnection } from './broker-connection.ts';
import type { BrokerAddress } from './broker-url.ts';

export interface BrokerLinkOptions {
  readonly address: BrokerAddress;
  readonly trust: PeerTrust;
  readonly clock: FeedClock;
  /** As Math.random. */
  readonly random: () => number;
  /** Makes what is to be there, and begins to consume. There is trouble until it has. */
  readonly onUp: (connection: BrokerConnection) => Promise<void>;
  /** The connection is gone, with everything that was not acknowledged. Also after an attempt that failed. */
  readonly onDown: (detail: string) => void;
  /** The broker takes nothing over a connection that stands, with the reason; undefined: it does again. */
  readonly onHeld: (detail: string | undefined) => void;
}

export interface Publication {
  /** Empty: straight into the queue that `routingKey` names. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly messageId: string;
  /** After so long the broker may drop it. */
  readonly expirationMs: number;
}

const CONNECT_MS = 10_000;
/** A sender waits no longer for its answer. */
const CONFIRM_MS = 5000;
/** For everything that is made and looked at, and for what the others are to be told: a broker may hang and go on with its heartbeats. */
const UP_MS = 120_000;
const HEARTBEAT_SECONDS = 10;
const GOODBYE_MS = 2000;
const RETRY = { firstMs: 1000, mostMs: 30_000 };

/** The connection to a broker, made anew for as long as it takes. Never ends the process. */
export class BrokerLink implements AsyncDisposable {
  readonly #options: BrokerLinkOptions;
  readonly #backOff: BackOff;
  #model: ChannelModel | undefined;
  #publisher: ConfirmChannel | undefined;
  #channels: readonly Channel[] = [];
  #trouble: string | undefined = 'not connected yet';
  /** Why the broker takes nothing at the moment, over a connection that stands. */
  #held: string | undefined;
  /** Messages for a queue that is not there. */
  readonly #returned: Set<unknown> = new Set();
  #timer: Disposable | undefined;
  #connecting: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: BrokerLinkOptions) {
    this.#options = options;
    this.#backOff = new BackOff({ ...RETRY, random: options.random });
    this.#begin();
  }

  /** Why nothing can be published; undefined: it can. */
  get trouble(): string | undefined {
    return this.#trouble ?? this.#held;
  }

  /**
   * Resolves when the broker has it for good. Throws `ICAPGW_FEED_BROKER` where that cannot be had in time, and where the
   * queue that it goes straight into is not there.
   */
  publish({ exchange, routingKey, content, messageId, expirationMs }: Publication): Promise<void> {
    const publisher = this.#publisher;
    if (publisher === undefined) return Promise.reject(failure(this.#trouble ?? 'not connected'));
    const options = {
      persistent: true,
      contentType: 'application/json',
      messageId,
      expiration: String(Math.max(1, Math.ceil(expirationMs))),
      mandatory: exchange === '',
    };
    const confirmed = Promise.withResolvers<void>();
    const late = setTimeout(
      () => confirmed.reject(failure(`it did not confirm within ${CONFIRM_MS} ms`)),
      CONFIRM_MS,
    ).unref();
    const settle = (error: unknown): void => {
      clearTimeout(late);
      // A broker confirms that too, after it has given it back.
      if (this.#returned.delete(messageId)) confirmed.reject(failure(`there is no queue ${routingKey}`));
      else if (error === null || error === undefined) confirmed.resolve();
      else confirmed.reject(failure(messageOf(error), error));
    };
    try {
      publisher.publish(exchange, routingKey, content, options, settle);
    } catch (error) {
      // The channel has closed, and nobody was told yet.
      settle(error);
    }
    return confirmed.promise;
  }

  /** Ends a connection that is of no use any more; another one is made after a while. */
  fail(detail: string): void {
    if (this.#model !== undefined) this.#down(this.#model, detail);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#connecting;
    const [model, channels] = [this.#model, this.#channels];
    this.#forget('the gateway is ending');
    if (model !== undefined) await hangUp(model, channels);
  }

  #begin(): void {
    this.#connecting = this.#connect().finally(() => {
      this.#connecting = undefined;
    });
  }

  /** Never rejects. */
  async #connect(): Promise<void> {
    const { clock, onUp } = this.#options;
    let model: ChannelModel | undefined;
    try {
      const opened = await this.#open();
      model = opened;
      this.#model = opened;
      const channel = this.#watched(opened, await opened.createChannel());
      const publisher = this.#watched(opened, await opened.createConfirmChannel());
      publisher.on('return', ({ properties }) => this.#returned.add(properties.messageId));
      this.#publisher = publisher;
      this.#channels = [channel, publisher];
      using _deadline = clock.after(UP_MS, () =>
        this.#down(opened, `its queues were not ready within ${UP_MS / 1000} s`),
      );
      const isOver = (): boolean => this.#model !== opened;
      await onUp(createBrokerConnection({ model: opened, channel, isOver }));
      if (isOver()) return;
      this.#trouble = undefined;
      this.#backOff.succeeded();
    } catch (error) {
      this.#down(model, messageOf(error));
    }
  }

  async #open(): Promise<ChannelModel> {
    const { address, trust } = this.#options;
    // Loaded by those who have a broker, and by nobody else.
    const { connect } = await import('amqplib');
    const { protocol, hostname, port, vhost, username, password } = address;
    const model = await connect(
      { protocol, hostname, port, vhost, username, password, heartbeat: HEARTBEAT_SECONDS },
      { ...trust, timeout: CONNECT_MS, noDelay: true, clientProperties: { connection_name: 'icapgw' } },
    );
    model.on('error', () => {});
    model.on('close', (error?: Error) => this.#down(model, error === undefined ? 'it hung up' : messageOf(error)));
    model.on('blocked', (reason: string) => this.#hold(model, `it takes nothing at the moment: ${reason}`));
    model.on('unblocked', () => this.#hold(model, undefined));
    return model;
  }

  /** A channel that fails fails alone: here the connection goes with it, so that there is one way to begin anew. */
  #watched<C extends Channel>(model: ChannelModel, channel: C): C {
    channel.on('error', (error: Error) => this.#down(model, messageOf(error)));
    return channel;
  }

  #hold(model: ChannelModel, detail: string | undefined): void {
    if (this.#isClosed || this.#model !== model) return;
    this.#held = detail;
    // Until then something else is the trouble.
    if (this.#trouble === undefined) this.#options.onHeld(detail);
  }

  #down(model: ChannelModel | undefined, detail: string): void {
    if (this.#isClosed || this.#model !== model) return;
    this.#forget(detail);
    if (model !== undefined) hangUp(model, []).catch(() => {});
    const { clock, onDown } = this.#options;
    const nowMs = clock.nowMs();
    const readyMs = this.#backOff.failed(nowMs, undefined);
    this.#timer?.[Symbol.dispose]();
    this.#timer = clock.after(readyMs - nowMs, () => this.#begin());
    onDown(detail);
  }

  #forget(detail: string): void {
    this.#model = undefined;
    this.#publisher = undefined;
    this.#channels = [];
    this.#trouble = detail;
    this.#held = undefined;
    this.#returned.clear();
  }
}

/** Says goodbye, and does not wait for long for an answer. */
async function hangUp(model: ChannelModel, channels: readonly Channel[]): Promise<void> {
  const { stream } = model.connection as { readonly stream?: Duplex };
  const cut = setTimeout(() => stream?.destroy(), GOODBYE_MS);
  const cutOff = stream === undefined ? undefined : once(stream, 'close');
  try {
    // What was acknowledged last overtakes no farewell of its own channel, but one of the connection's.
    await Promise.race([Promise.all(channels.map((channel) => channel.close())), cutOff]);
    await Promise.race([model.close(), cutOff]);
  } catch {
    // Whoever is gone needs no farewell.
    stream?.destroy();
  }
  clearTimeout(cut);
}

function failure(detail: string, cause?: unknown): RuntimeError {
  return new RuntimeError('ICAPGW_FEED_BROKER', { detail, cause });
}
