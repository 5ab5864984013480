import { randomUUID } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { messageOf } from '../../errors.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { Conclusion, FeedEntry, FeedQueue } from '../contract/feed-queue.ts';
import { FeedUnavailableError } from '../contract/feed-unavailable.ts';
import { crash } from '../crash.ts';
import type { BrokerConnection } from './broker-connection.ts';
import type { BrokerLink } from './broker-link.ts';
import { decodeEnvelope, encodeEnvelope } from './broker-message.ts';
import { type Claim, dueAtMs, RelayClaims } from './relay-claims.ts';
import { delayFor, type Topology } from './topology.ts';
import type { Withdrawal, Withdrawals } from './withdrawals.ts';

export interface RelayDeskOptions {
  readonly link: BrokerLink;
  readonly topology: Topology;
  readonly local: FeedQueue;
  /** Not owned. */
  readonly withdrawals: Withdrawals;
  readonly clock: FeedClock;
  /** How long before an engine lets go of an address it is to get it again. Asked each time. */
  readonly leadMs: () => number;
  /** Whether an address that another gateway received may be blocked from here. */
  readonly isBlockable: (address: string) => boolean;
  /** There is something to look at. */
  readonly onWork: (entries: readonly FeedEntry[]) => void;
}

/** So many addresses are given to a relay at a time. */
const PREFETCH_COUNT = 1000;
/** What is needed within this time waits here. */
const SHORT_MS = 1000;
/** The same message is on its way to this gateway by another queue, and may be a moment behind. */
const ADOPT_MS = 2000;
/** RabbitMQ cuts whoever holds a delivery for half an hour; and another relay may have more luck. */
const HOLD_MS = 120_000;

/** The work that the broker gives to this relay: what of it is due, what is to wait, and what is done. */
export class RelayDesk {
  readonly #options: RelayDeskOptions;
  readonly #claims: RelayClaims<ConsumeMessage> = new RelayClaims();
  /** Addresses that wait at the broker, and until when. */
  readonly #parked: Map<string, number> = new Map();
  #connection: BrokerConnection | undefined;
  #consumerTag = '';
  #progressMs = 0;
  #watch: Disposable | undefined;

  constructor(options: RelayDeskOptions) {
    this.#options = options;
  }

  /** Begins to take work: at once, or when the relay that is at work leaves. */
  async open(connection: BrokerConnection): Promise<void> {
    this.#connection = connection;
    await connection.channel.prefetch(PREFETCH_COUNT);
    await this.#consume(connection);
    this.#watch = this.#options.clock.after(HOLD_MS, () => this.#onWatch());
  }

  /** The connection is gone: the broker gives the work to another, or again. */
  close(): void {
    this.#watch?.[Symbol.dispose]();
    this.#connection = undefined;
    this.#claims.clear();
    this.#parked.clear();
  }

  due(nowMs: number, leadMs: number): readonly FeedEntry[] {
    return this.#claimed(leadMs).flatMap(([entry, dueMs]) => (entry.untilMs > nowMs && dueMs <= nowMs ? entry : []));
  }

  nextDueMs(leadMs: number): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const [, dueMs] of this.#claimed(leadMs)) next = Math.min(next, dueMs);
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /** Something was brought to an engine: this relay is at work. */
  progressed(): void {
    this.#progressMs = this.#options.clock.nowMs();
  }

  /** After the local queue has heard of it. */
  async concluded(conclusions: readonly Conclusion[]): Promise<void> {
    this.progressed();
    for (const { address, retryAtMs } of conclusions) this.#claims.postpone(address, retryAtMs ?? 0);
    await this.look(conclusions.map(({ address }) => address));
  }

  /** Their relay has ended, whatever was still to be done. */
  withdrawn(withdrawals: readonly Withdrawal[]): void {
    for (const withdrawal of withdrawals) {
      this.#options.withdrawals.add(withdrawal);
      this.#finish(withdrawal.address);
    }
  }

  /** Their time is over. */
  expired(addresses: readonly string[]): void {
    for (const address of addresses) this.#finish(address);
    const nowMs = this.#options.clock.nowMs();
    this.#options.withdrawals.expire(nowMs);
    for (const [address, untilMs] of this.#parked) if (untilMs <= nowMs) this.#parked.delete(address);
  }

  /** Keeps what is due, has the broker keep what is due later, and acknowledges what needs nothing more. */
  async look(addresses: readonly string[]): Promise<void> {
    const { local, clock, leadMs } = this.#options;
    const nowMs = clock.nowMs();
    const parking: Promise<void>[] = [];
    for (const address of addresses) {
      const claim = this.#claims.find(address);
      const entry = local.find(address);
      if (claim === undefined || entry === undefined) continue;
      const dueMs = entry.untilMs <= nowMs ? Number.POSITIVE_INFINITY : dueAtMs(entry, claim.notBeforeMs, leadMs());
      if (dueMs === Number.POSITIVE_INFINITY || this.#isParked(address, dueMs)) this.#finish(address);
      else if (dueMs - nowMs >= SHORT_MS) parking.push(this.#park(claim, entry.untilMs, dueMs));
    }
    await Promise.all(parking);
  }

  #claimed(leadMs: number): readonly (readonly [FeedEntry, number])[] {
    const { local } = this.#options;
    return this.#claims.addresses.flatMap((address) => {
      const entry = local.find(address);
      const claim = this.#claims.find(address);
      if (entry === undefined || claim === undefined) return [];
      return [[entry, dueAtMs(entry, claim.notBeforeMs, leadMs)] as const];
    });
  }

  async #consume({ channel }: BrokerConnection): Promise<void> {
    const { link, topology } = this.#options;
    const { consumerTag } = await channel.consume(topology.relay, (delivery) => {
      if (delivery === null) link.fail(`queue ${topology.relay} was deleted`);
      else this.#take(delivery).catch((error: unknown) => this.#failed(error));
    });
    this.#consumerTag = consumerTag;
  }

  async #take(delivery: ConsumeMessage): Promise<void> {
    const { local, withdrawals, clock, isBlockable, onWork } = this.#options;
    const envelope = decodeEnvelope(delivery.content);
    const nowMs = clock.nowMs();
    if (envelope?.message.kind !== 'sighting') {
      this.#connection?.ack(delivery);
      return;
    }
    const { sighting, notBeforeMs } = envelope.message;
    const { address, untilMs } = sighting;
    if (notBeforeMs !== undefined) this.#parked.delete(address);
    if (untilMs <= nowMs || !isBlockable(address) || withdrawals.covers(address, envelope.sentMs)) {
      this.#connection?.ack(delivery);
      return;
    }
    if (this.#claims.size === 0) this.progressed();
    const entry = local.find(address);
    // What an engine is to be told again is found by what it holds, whenever it was to be looked at.
    const parkedMs = entry?.isPending === false ? undefined : this.#parked.get(address);
    const replaced = this.#claims.take({
      delivery,
      sighting,
      origin: envelope,
      sinceMs: nowMs,
      notBeforeMs: notBeforeMs ?? parkedMs ?? 0,
    });
    if (replaced !== undefined) this.#connection?.ack(replaced.delivery);
    if (entry === undefined) {
      this.#adoptLater(address);
      return;
    }
    if (withdrawals.drop(address) && !entry.isPending) await local.conclude([{ address, retryAtMs: nowMs }]);
    await this.look([address]);
    if (this.#claims.find(address) !== undefined) onWork([entry]);
  }

  #adoptLater(address: string): void {
    this.#options.clock.after(ADOPT_MS, () => {
      this.#adopt(address).catch(crash);
    });
  }

  /** Nobody else has told this gateway: it came to the broker before this gateway did. */
  async #adopt(address: string): Promise<void> {
    const { local } = this.#options;
    const claim = this.#claims.find(address);
    if (claim === undefined || local.find(address) !== undefined) return;
    try {
      await local.put([claim.sighting]);
    } catch (error) {
      if (!(error instanceof FeedUnavailableError)) throw error;
      this.#adoptLater(address);
    }
  }

  /** Whether the broker brings it back in time anyway. */
  #isParked(address: string, dueMs: number): boolean {
    const parkedMs = this.#parked.get(address);
    return parkedMs !== undefined && parkedMs <= dueMs && parkedMs > this.#options.clock.nowMs();
  }

  #finish(address: string): void {
    const claim = this.#claims.drop(address);
    if (claim !== undefined) this.#connection?.ack(claim.delivery);
  }

  async #park(claim: Claim<ConsumeMessage>, untilMs: number, dueMs: number): Promise<void> {
    const { topology, clock } = this.#options;
    const { address } = claim.sighting;
    const delay = delayFor(topology.delays, dueMs - clock.nowMs());
    this.#claims.drop(address);
    this.#parked.set(address, dueMs);
    await this.#sendOn(claim, { queue: delay?.queue ?? topology.relay, untilMs, notBeforeMs: dueMs });
  }

  /** Acknowledged here when the broker has it there: in between it is there twice, and never not at all. */
  async #sendOn(
    { delivery, sighting, origin }: Claim<ConsumeMessage>,
    to: { readonly queue: string; readonly untilMs: number; readonly notBeforeMs: number },
  ): Promise<void> {
    const { link, clock } = this.#options;
    const { queue, untilMs, notBeforeMs } = to;
    const connection = this.#connection;
    try {
      await link.publish({
        exchange: '',
        routingKey: queue,
        content: encodeEnvelope({
          message: { kind: 'sighting', sighting: { ...sighting, untilMs }, notBeforeMs },
          from: origin.from,
          sentMs: origin.sentMs,
        }),
        messageId: randomUUID(),
        expirationMs: untilMs - clock.nowMs(),
      });
      connection?.ack(delivery);
    } catch (error) {
      // It was not acknowledged: over the next connection it comes again.
      this.#failed(error);
    }
  }

  /** The disk, or the broker: over another connection the work comes again. */
  #failed(error: unknown): void {
    this.#options.link.fail(messageOf(error));
  }

  #onWatch(): void {
    const { clock } = this.#options;
    this.#watch = clock.after(HOLD_MS, () => this.#onWatch());
    if (this.#claims.size === 0 || clock.nowMs() - this.#progressMs < HOLD_MS) return;
    this.#giveBack().catch((error: unknown) => this.#failed(error));
  }

  /** This relay gets nowhere: its work goes back, and to one that stands by, if there is one. */
  async #giveBack(): Promise<void> {
    const { topology } = this.#options;
    const connection = this.#connection;
    if (connection === undefined) return;
    await connection.channel.cancel(this.#consumerTag);
    const sent = this.#claims.addresses.map((address) => {
      const claim = this.#claims.drop(address) as Claim<ConsumeMessage>;
      const { notBeforeMs, sighting } = claim;
      return this.#sendOn(claim, { queue: topology.relay, untilMs: sighting.untilMs, notBeforeMs });
    });
    await Promise.all(sent);
    this.progressed();
    if (this.#connection === connection) await this.#consume(connection);
  }
}
