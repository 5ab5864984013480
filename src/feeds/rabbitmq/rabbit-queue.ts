import { randomUUID } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type {
  Conclusion,
  FeedEntry,
  FeedQueue,
  PutResult,
  QueueChange,
  QueueStatus,
  Settlement,
  Sighting,
} from '../contract/feed-queue.ts';
import { FeedUnavailableError } from '../contract/feed-unavailable.ts';
import { crash } from '../crash.ts';
import type { PeerTrust } from '../peer-trust.ts';
import { QueueListeners } from '../queue/queue-listeners.ts';
import { type BrokerConnection, BrokerLink } from './broker-link.ts';
import { type BrokerMessage, encodeEnvelope } from './broker-message.ts';
import type { BrokerAddress } from './broker-url.ts';
import { GatewayInbox } from './gateway-inbox.ts';
import { RelayDesk } from './relay-desk.ts';
import { assertTopology, type Topology, topologyOf } from './topology.ts';
import type { Withdrawals } from './withdrawals.ts';

export interface RabbitQueueOptions {
  /** Keeps what this gateway blocks through restarts and times without a broker. Owned. */
  readonly local: FeedQueue;
  /** Owned. */
  readonly withdrawals: Withdrawals;
  readonly address: BrokerAddress;
  readonly trust: PeerTrust;
  /** Prefix of exchanges and queues. */
  readonly name: string;
  /** Tells the gateways of a broker apart, and is the same after a restart. */
  readonly id: string;
  /** Whether this process takes part in the relay. */
  readonly isRelay: boolean;
  /** As the sink's. Asked each time: another configuration may say otherwise. */
  readonly leadMs: () => number;
  readonly clock: FeedClock;
  /** As Math.random. */
  readonly random: () => number;
  /** Whether an address that another gateway received may be blocked from here. */
  readonly isBlockable: (address: string) => boolean;
  /** The broker is away, with the reason, or there again. */
  readonly onTrouble: (trouble: string | undefined) => void;
}

interface News {
  readonly message: BrokerMessage;
  readonly untilMs: number;
}

const RETRY_SECONDS = 10;
/** What a gateway keeps to tell the others while the broker is away; more is found out by relaying once more. */
const MAX_OUTBOX = 10_000;

/**
 * The queue of several gateways that share a RabbitMQ: what one receives all block, and one at a time relays. Each keeps
 * what it knows in a queue of its own, so that blocks need no broker.
 */
export class RabbitQueue implements FeedQueue {
  readonly type = 'rabbitmq';
  readonly #options: RabbitQueueOptions;
  readonly #topology: Topology;
  readonly #link: BrokerLink;
  readonly #inbox: GatewayInbox;
  readonly #desk: RelayDesk;
  readonly #listeners: QueueListeners = new QueueListeners();
  #outbox: News[] = [];
  #toldTrouble: string | undefined;

  constructor(options: RabbitQueueOptions) {
    const { local, withdrawals, clock, isBlockable, address, trust, random } = options;
    this.#options = options;
    this.#topology = topologyOf(options.name, options.id);
    this.#link = new BrokerLink({
      ...{ address, trust, clock, random },
      onUp: (connection) => this.#onUp(connection),
      onDown: (detail) => this.#onDown(detail),
    });
    this.#desk = new RelayDesk({
      ...{ link: this.#link, topology: this.#topology, local, withdrawals, clock },
      ...{ leadMs: options.leadMs, isBlockable },
      onWork: (entries) => this.#listeners.tell({ kind: 'relayed', entries }),
    });
    this.#inbox = new GatewayInbox({
      ...{ id: options.id, local, clock, isBlockable },
      onNews: (addresses) => {
        this.#desk.look(addresses).catch(crash);
      },
      onWithdrawn: (addresses, sentMs) => {
        const untilMs = (address: string): number => local.find(address)?.untilMs ?? sentMs;
        this.#desk.withdrawn(addresses.map((address) => ({ address, sentMs, untilMs: untilMs(address) })));
      },
    });
    local.onChange((change) => {
      if (change.kind === 'expired') this.#desk.expired(change.entries.map((entry) => entry.address));
      this.#listeners.tell(change);
    });
  }

  async put(sightings: readonly Sighting[]): Promise<PutResult> {
    const { local, clock } = this.#options;
    if (sightings.length === 0) return { blocked: 0, extended: 0 };
    this.#assertUp();
    const nowMs = clock.nowMs();
    const fresh = sightings.filter(({ address }) => (local.find(address)?.untilMs ?? 0) <= nowMs);
    const result = await local.put(sightings);
    const sent = await Promise.allSettled(sightings.map((sighting) => this.#send(sighting)));
    const failed = sent.find(({ status }) => status === 'rejected');
    if (failed?.status !== 'rejected') return result;
    await this.#undo(fresh);
    throw unavailable(messageOf(failed.reason), failed.reason);
  }

  due(nowMs: number, leadMs: number): readonly FeedEntry[] {
    return this.#desk.due(nowMs, leadMs);
  }

  nextDueMs(leadMs: number): number | undefined {
    return this.#desk.nextDueMs(leadMs);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    this.#desk.progressed();
    await this.#options.local.settle(settlements);
    await this.#announce({ kind: 'settled', settlements }, this.#lastEndMs(settlements));
  }

  async conclude(conclusions: readonly Conclusion[]): Promise<void> {
    await this.#options.local.conclude(conclusions);
    const done = conclusions.filter(({ retryAtMs }) => retryAtMs === undefined);
    if (done.length > 0) {
      await this.#announce({ kind: 'concluded', addresses: addressesOf(done) }, this.#lastEndMs(done));
    }
    await this.#desk.concluded(conclusions);
  }

  async remove(address: string): Promise<boolean> {
    const { local, clock } = this.#options;
    const entry = local.find(address);
    if (entry === undefined || !(await local.remove(address))) return false;
    this.#desk.withdrawn([{ address, sentMs: clock.nowMs(), untilMs: entry.untilMs }]);
    await this.#announce({ kind: 'withdrawn', addresses: [address] }, entry.untilMs);
    return true;
  }

  async expire(nowMs: number): Promise<void> {
    await this.#options.local.expire(nowMs);
  }

  find(address: string): FeedEntry | undefined {
    return this.#options.local.find(address);
  }

  entries(): Iterable<FeedEntry> {
    return this.#options.local.entries();
  }

  status(): QueueStatus {
    const status = this.#options.local.status();
    return { ...status, trouble: this.#link.trouble ?? status.trouble };
  }

  onChange(listener: (change: QueueChange) => void): Disposable {
    return this.#listeners.add(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inbox.clear();
    this.#desk.close();
    await this.#link[Symbol.asyncDispose]();
    this.#options.withdrawals[Symbol.dispose]();
    await this.#options.local[Symbol.asyncDispose]();
  }

  async #onUp(connection: BrokerConnection): Promise<void> {
    const { channel } = connection;
    const { gateway } = this.#topology;
    await assertTopology(channel, this.#topology);
    for (let news = this.#outbox[0]; news !== undefined; news = this.#outbox[0]) {
      await this.#publishNews(news);
      this.#outbox.shift();
    }
    await channel.consume(gateway, (delivery) => {
      if (delivery === null) this.#link.fail(`queue ${gateway} was deleted`);
      else this.#inbox.take(delivery, connection);
    });
    if (this.#options.isRelay) await this.#desk.open(connection);
    if (this.#toldTrouble !== undefined) this.#options.onTrouble(undefined);
    this.#toldTrouble = undefined;
  }

  #onDown(detail: string): void {
    this.#inbox.clear();
    this.#desk.close();
    if (this.#toldTrouble === undefined) this.#options.onTrouble(detail);
    this.#toldTrouble = detail;
  }

  async #send(sighting: Sighting): Promise<void> {
    const messageId = randomUUID();
    this.#inbox.expect(messageId);
    try {
      await this.#publish(this.#topology.addresses, messageId, {
        message: { kind: 'sighting', sighting, notBeforeMs: undefined },
        untilMs: sighting.untilMs,
      });
    } catch (error) {
      this.#inbox.unexpect(messageId);
      throw error;
    }
  }

  /** The sender will come again: until then it is as if it had not come. */
  async #undo(sightings: readonly Sighting[]): Promise<void> {
    const { local } = this.#options;
    for (const { address, findings } of sightings) {
      // Others may have said the same meanwhile.
      if (local.find(address)?.findings === findings) await local.remove(address);
    }
  }

  /** Tells the other gateways, now or when the broker is back. */
  async #announce(message: BrokerMessage, untilMs: number): Promise<void> {
    const news = { message, untilMs };
    try {
      await this.#publishNews(news);
    } catch {
      if (this.#outbox.length < MAX_OUTBOX) this.#outbox.push(news);
    }
  }

  /** Until when it matters what became of these. */
  #lastEndMs(about: readonly { readonly address: string }[]): number {
    const { local, clock } = this.#options;
    return about.reduce((last, { address }) => Math.max(last, local.find(address)?.untilMs ?? 0), clock.nowMs());
  }

  #publishNews(news: News): Promise<void> {
    return this.#publish(this.#topology.outcomes, randomUUID(), news);
  }

  #publish(exchange: string, messageId: string, { message, untilMs }: News): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const content = encodeEnvelope({ message, from: this.#options.id, sentMs: nowMs });
    return this.#link.publish({ exchange, routingKey: '', content, messageId, expirationMs: untilMs - nowMs });
  }

  #assertUp(): void {
    const { trouble } = this.#link;
    if (trouble !== undefined) throw unavailable(trouble);
  }
}

function addressesOf(list: readonly { readonly address: string }[]): readonly string[] {
  return list.map(({ address }) => address);
}

function unavailable(reason: string, cause?: unknown): FeedUnavailableError {
  return new FeedUnavailableError({ detail: `the broker: ${reason}`, retryAfterSeconds: RETRY_SECONDS, cause });
}
