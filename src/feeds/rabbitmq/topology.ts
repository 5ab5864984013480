import type { Channel } from 'amqplib';

/** What there is at the broker, by name. */
export interface Topology {
  /** Each address that a gateway received, to every gateway and to the relay. */
  readonly addresses: string;
  /** What engines made of them, to every gateway. */
  readonly outcomes: string;
  /** Work for the one relay that is at work; the others stand by. */
  readonly relay: string;
  /** What this gateway is told. */
  readonly gateway: string;
  /** Where work waits for so long before it comes back to the relay; the longest first. */
  readonly delays: readonly Delay[];
}

export interface Delay {
  readonly queue: string;
  readonly delayMs: number;
}

/** Messages in a queue come out in order, so each length of time needs a queue of its own; longer ones are put together. */
const DELAYS_SECONDS: readonly number[] = [1024, 256, 64, 16, 4, 1];
/** A gateway that is away for so long does not come back; what it would have been told has ended by then as a rule. */
const GATEWAY_EXPIRES_MS = 30 * 24 * 60 * 60 * 1000;
/** The default of RabbitMQ 4 drops what was delivered 20 times; here work ends by its own time, and by nothing else. */
const DELIVERY_LIMIT = 1_000_000;

export function topologyOf(name: string, gatewayId: string): Topology {
  return {
    addresses: `${name}.addresses`,
    outcomes: `${name}.outcomes`,
    relay: `${name}.relay`,
    gateway: `${name}.gateway.${gatewayId}`,
    delays: DELAYS_SECONDS.map((seconds) => ({ queue: `${name}.delay.${seconds}s`, delayMs: seconds * 1000 })),
  };
}

export function queuesOf({ relay, gateway, delays }: Topology): readonly string[] {
  return [relay, gateway, ...delays.map(({ queue }) => queue)];
}

/** Makes what is not there yet. Replicated queues, where the broker is a cluster. */
export async function assertTopology(channel: Channel, topology: Topology): Promise<void> {
  const { addresses, outcomes, relay, gateway, delays } = topology;
  await channel.assertExchange(addresses, 'fanout', { durable: true });
  await channel.assertExchange(outcomes, 'fanout', { durable: true });
  await channel.assertQueue(relay, {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true, 'x-delivery-limit': DELIVERY_LIMIT },
  });
  await channel.assertQueue(gateway, {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-expires': GATEWAY_EXPIRES_MS, 'x-delivery-limit': DELIVERY_LIMIT },
  });
  for (const { queue, delayMs } of delays) {
    await channel.assertQueue(queue, {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-message-ttl': delayMs,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': relay,
      },
    });
  }
  await channel.bindQueue(relay, addresses, '');
  await channel.bindQueue(gateway, addresses, '');
  await channel.bindQueue(gateway, outcomes, '');
}

/** The queue to wait in for what is to be looked at in `waitMs`; undefined: it is not worth the way. */
export function delayFor(delays: readonly Delay[], waitMs: number): Delay | undefined {
  return delays.find(({ delayMs }) => delayMs <= waitMs);
}
