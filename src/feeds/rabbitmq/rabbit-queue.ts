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
import type { BrokerConnection } from './broker-connection.ts';
import { BrokerLink } from './broker-link.ts';
import type { BrokerMessage } from './broker-message.ts';
import type { BrokerAddress } from './broker-url.ts';
import { FreshFindings } from './fresh-findings.ts';
import { GatewayInbox } from './gateway-inbox.ts';
import { GatewayOutbox } from './gateway-outbox.ts';
import { QueueMaker, YOUNG_MS } from './queue-maker.ts';
import { dueAtMs } from './relay-claims.ts';
import { RelayDesk } from './relay-desk.ts';
import { type Topology, topologyOf } from './topology.ts';
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
  /** The broker had lost a queue but for its name; there is a new one. */
  readonly onRemade: (queue: string) => void;
}

const RETRY_SECONDS = 10;

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
  readonly #outbox: GatewayOutbox;
  readonly #desk: RelayDesk;
  readonly #maker: QueueMaker;
  readonly #fresh: FreshFindings = new FreshFindings(YOUNG_MS);
  readonly #listeners: QueueListeners = new QueueListeners();
  #toldTrouble: string | undefined;

  constructor(options: RabbitQueueOptions) {
    const { local, withdrawals, clock, isBlockable, address, trust, random } = options;
    this.#options = options;
    this.#topology = topologyOf(options.name, options.id);
    this.#link = new BrokerLink({
      ...{ address, trust, clock, random },
      onUp: (connection) => this.#onUp(connection),
      onDown: (detail) => this.#onDown(detail),
      onHeld: (detail) => this.#tell(detail),
    });
    this.#outbox = new GatewayOutbox({ link: this.#link, id: options.id, clock });
    this.#maker = new QueueMaker({ topology: this.#topology, clock, onRemade: options.onRemade });
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
    if (failed?.status !== 'rejected') {
      this.#fresh.add(sightings, nowMs);
      return result;
    }
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
    const made = await this.#maker.make(connection);
    if (made.some((queue) => queue !== gateway)) this.#relayAll();
    await this.#outbox.flush();
    await channel.consume(gateway, (delivery) => {
      if (delivery === null) this.#link.fail(`queue ${gateway} was deleted`);
      else this.#inbox.take(delivery, connection);
    });
    if (this.#options.isRelay) await this.#desk.open(connection);
    this.#maker.proven();
    this.#tell(undefined);
  }

  #onDown(detail: string): void {
    this.#inbox.clear();
    this.#desk.close();
    this.#maker.lost();
    this.#relayAgain();
    this.#tell(detail);
  }

  /** When it begins and when it ends; what it is may change meanwhile. */
  #tell(trouble: string | undefined): void {
    const isNews = (trouble === undefined) !== (this.#toldTrouble === undefined);
    this.#toldTrouble = trouble;
    if (isNews) this.#options.onTrouble(trouble);
  }

  /** What the broker may have confirmed and lost. */
  #relayAgain(): void {
    const { local, clock } = this.#options;
    for (const { sighting, sentMs } of this.#fresh.take(clock.nowMs())) {
      if (local.find(sighting.address)?.isPending === true) this.#relayLater(sighting, sentMs);
    }
  }

  /** There was no queue of work, or none that it waits in: somebody has deleted it, or it is the first time. */
  #relayAll(): void {
    const { local, clock, leadMs } = this.#options;
    const nowMs = clock.nowMs();
    for (const entry of local.entries()) {
      const { address, source, type, untilMs, findings, sinceMs } = entry;
      const isWork = untilMs > nowMs && dueAtMs(entry, nowMs, leadMs()) !== Number.POSITIVE_INFINITY;
      if (isWork) this.#relayLater({ address, source, type, untilMs, findings }, sinceMs);
    }
  }

  /** When the broker is back, once more: a relay that has it already lets go of one of the two. */
  #relayLater(sighting: Sighting, sentMs: number): void {
    const message = { kind: 'sighting', sighting, notBeforeMs: undefined } as const;
    this.#outbox.keep({ exchange: '', routingKey: this.#topology.relay, message, sentMs, untilMs: sighting.untilMs });
  }

  async #send(sighting: Sighting): Promise<void> {
    const messageId = randomUUID();
    this.#inbox.expect(messageId);
    try {
      const message = { kind: 'sighting', sighting, notBeforeMs: undefined } as const;
      await this.#outbox.publish(this.#outbox.news(this.#topology.addresses, message, sighting.untilMs), messageId);
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
  #announce(message: BrokerMessage, untilMs: number): Promise<void> {
    return this.#outbox.announce(this.#outbox.news(this.#topology.outcomes, message, untilMs));
  }

  /** Until when it matters what became of these. */
  #lastEndMs(about: readonly { readonly address: string }[]): number {
    const { local, clock } = this.#options;
    return about.reduce((last, { address }) => Math.max(last, local.find(address)?.untilMs ?? 0), clock.nowMs());
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
