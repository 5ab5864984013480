import type { ConsumeMessage } from 'amqplib';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { FeedQueue, Sighting } from '../contract/feed-queue.ts';
import { FeedUnavailableError } from '../contract/feed-unavailable.ts';
import { crash } from '../crash.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { decodeEnvelope, type Envelope } from './broker-message.ts';

export interface GatewayInboxOptions {
  /** The name of this gateway: what it has said itself it knows. */
  readonly id: string;
  readonly local: FeedQueue;
  readonly clock: FeedClock;
  /** Whether an address that another gateway received may be blocked here. */
  readonly isBlockable: (address: string) => boolean;
  /** Others have made something of these addresses. */
  readonly onNews: (addresses: readonly string[]) => void;
  readonly onWithdrawn: (addresses: readonly string[], sentMs: number) => void;
}

interface Item {
  readonly delivery: ConsumeMessage;
  readonly connection: BrokerConnection;
  readonly envelope: Envelope;
}

/** The disk may be full, or there is no room for more addresses. */
const RETRY_MS = 5000;

/** Brings what the broker tells this gateway into the local queue: in order, and acknowledged when it is durable there. */
export class GatewayInbox {
  readonly #options: GatewayInboxOptions;
  /** Sightings of this gateway that the local queue has already. */
  readonly #own: Set<string> = new Set();
  #items: Item[] = [];
  /** How many go together at most: fewer after a group that did not find room as a whole. */
  #groupSize = Number.POSITIVE_INFINITY;
  /** Of the connection. */
  #epoch = 0;
  #isWorking = false;

  constructor(options: GatewayInboxOptions) {
    this.#options = options;
  }

  /** This gateway is about to send a sighting that it has taken itself. */
  expect(messageId: string): void {
    this.#own.add(messageId);
  }

  /** It did not get through; if it comes all the same, it is news. */
  unexpect(messageId: string): void {
    this.#own.delete(messageId);
  }

  take(delivery: ConsumeMessage, connection: BrokerConnection): void {
    const envelope = decodeEnvelope(delivery.content);
    const { messageId } = delivery.properties as { readonly messageId?: unknown };
    const isEcho = typeof messageId === 'string' && this.#own.delete(messageId);
    const isOwnNews = envelope?.from === this.#options.id && envelope.message.kind !== 'sighting';
    if (envelope === undefined || isEcho || isOwnNews) {
      connection.ack(delivery);
      return;
    }
    this.#items.push({ delivery, connection, envelope });
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work()
      .catch(crash)
      .finally(() => {
        this.#isWorking = false;
      });
  }

  /** The connection is gone: what was not acknowledged comes again. */
  clear(): void {
    this.#epoch += 1;
    this.#items = [];
    this.#own.clear();
  }

  async #work(): Promise<void> {
    while (this.#items.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#apply(group.map(({ envelope }) => envelope));
      } catch (error) {
        if (!(error instanceof FeedUnavailableError)) throw error;
        const epoch = this.#epoch;
        if (group.length > 1) this.#groupSize = Math.ceil(group.length / 2);
        else await this.#pause();
        if (epoch === this.#epoch) this.#items.unshift(...group);
        continue;
      }
      this.#groupSize *= 2;
      for (const { delivery, connection } of group) connection.ack(delivery);
    }
  }

  /** What may go together: sightings in a row, or one message of another kind. */
  #nextGroup(): readonly Item[] {
    const other = this.#items.findIndex(({ envelope }) => envelope.message.kind !== 'sighting');
    const count = other === -1 ? this.#items.length : Math.max(1, other);
    return this.#items.splice(0, Math.min(count, this.#groupSize));
  }

  async #apply(envelopes: readonly Envelope[]): Promise<void> {
    const { local, onNews, onWithdrawn } = this.#options;
    const [first] = envelopes;
    if (first === undefined) return;
    const { message, sentMs } = first;
    switch (message.kind) {
      case 'sighting':
        await local.put(this.#merged(envelopes.filter((envelope) => !this.#isKnown(envelope))));
        return;
      case 'settled':
        await local.settle(message.settlements);
        return;
      case 'concluded':
        await local.conclude(message.addresses.map((address) => ({ address, retryAtMs: undefined })));
        onNews(message.addresses);
        return;
      case 'withdrawn':
        await local.conclude(message.addresses.map((address) => ({ address, retryAtMs: undefined })));
        onWithdrawn(message.addresses, sentMs);
    }
  }

  /** One for each address that may be blocked and has time left. */
  #merged(envelopes: readonly Envelope[]): readonly Sighting[] {
    const { clock, isBlockable } = this.#options;
    const nowMs = clock.nowMs();
    const merged: Map<string, Sighting> = new Map();
    for (const { message } of envelopes) {
      if (message.kind !== 'sighting') continue;
      const { sighting } = message;
      const { address, untilMs, findings } = sighting;
      if (untilMs <= nowMs || !isBlockable(address)) continue;
      const before = merged.get(address);
      merged.set(address, {
        ...sighting,
        untilMs: Math.max(untilMs, before?.untilMs ?? 0),
        findings: findings + (before?.findings ?? 0),
      });
    }
    return [...merged.values()];
  }

  /** Taken by this gateway itself, before it was started again. */
  #isKnown({ from, message }: Envelope): boolean {
    if (from !== this.#options.id || message.kind !== 'sighting') return false;
    const { address, untilMs } = message.sighting;
    return (this.#options.local.find(address)?.untilMs ?? 0) >= untilMs;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(RETRY_MS, resolve);
    });
  }
}
