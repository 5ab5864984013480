import { randomUUID } from 'node:crypto';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { BrokerLink } from './broker-link.ts';
import { type BrokerMessage, encodeEnvelope } from './broker-message.ts';

export interface GatewayOutboxOptions {
  readonly link: Pick<BrokerLink, 'publish'>;
  /** The name of this gateway. */
  readonly id: string;
  readonly clock: FeedClock;
}

/** A message of this gateway, and where it goes. */
export interface News {
  /** Empty: straight into the queue that `routingKey` names. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly message: BrokerMessage;
  /** Epoch milliseconds. */
  readonly sentMs: number;
  /** Epoch milliseconds until which it matters. */
  readonly untilMs: number;
}

/** What is kept while the broker is away; more is found out by relaying once more. */
const MAX_WAITING = 10_000;

/** Brings what this gateway says to the broker, now or when the broker is back. */
export class GatewayOutbox {
  readonly #options: GatewayOutboxOptions;
  readonly #waiting: News[] = [];

  constructor(options: GatewayOutboxOptions) {
    this.#options = options;
  }

  /** To every queue that is bound to the exchange. */
  news(exchange: string, message: BrokerMessage, untilMs: number): News {
    return { exchange, routingKey: '', message, sentMs: this.#options.clock.nowMs(), untilMs };
  }

  /** Resolves when the broker has it for good. Throws what `BrokerLink.publish` throws. */
  publish({ exchange, routingKey, message, sentMs, untilMs }: News, messageId: string = randomUUID()): Promise<void> {
    const { link, id, clock } = this.#options;
    const content = encodeEnvelope({ message, from: id, sentMs });
    return link.publish({ exchange, routingKey, content, messageId, expirationMs: untilMs - clock.nowMs() });
  }

  /** Never rejects: what does not get through waits. */
  async announce(news: News): Promise<void> {
    try {
      await this.publish(news);
    } catch {
      this.keep(news);
    }
  }

  /** Until the broker is back. */
  keep(news: News): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(news);
  }

  /** The broker is back. Throws where it is gone again; what it has not got still waits. */
  async flush(): Promise<void> {
    for (let news = this.#waiting[0]; news !== undefined; news = this.#waiting[0]) {
      await this.publish(news);
      // Another connection may have begun meanwhile, and have brought it too.
      if (this.#waiting[0] === news) this.#waiting.shift();
    }
  }
}
