import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';

/** One connection to a broker, as long as it lasts. */
export interface BrokerConnection {
  readonly channel: Channel;
  readonly isOver: boolean;
  /** Acknowledges a delivery of this connection; nothing happens once it is over. */
  ack(delivery: ConsumeMessage): void;
  hasQueue(queue: string): Promise<boolean>;
  /** Whether a queue confirms in time what it is sent: a message that no gateway has sent, and that is gone soon. */
  confirms(queue: string, withinMs: number): Promise<boolean>;
}

export interface BrokerConnectionOptions {
  readonly model: ChannelModel;
  readonly channel: Channel;
  readonly isOver: () => boolean;
}

/** AMQP 0-9-1: there is no such queue. */
const NOT_FOUND = 404;
/** Of no format that there is: whoever gets it acknowledges it. */
const PROBE: Buffer = Buffer.from('{"format":0}');
const PROBE_MS = 1000;

export function createBrokerConnection(options: BrokerConnectionOptions): BrokerConnection {
  const { model, channel, isOver } = options;
  return {
    channel,
    get isOver() {
      return isOver();
    },
    ack(delivery) {
      if (!isOver()) channel.ack(delivery);
    },
    hasQueue: (queue) => hasQueue(model, queue),
    confirms: (queue, withinMs) => confirms(model, queue, withinMs),
  };
}

/** On a channel of its own: the answer that there is none ends it. */
async function hasQueue(model: ChannelModel, queue: string): Promise<boolean> {
  const channel = await model.createChannel();
  channel.on('error', () => {});
  try {
    await channel.checkQueue(queue);
    await channel.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) return false;
    throw error;
  }
}

/** On a channel of its own: one that a queue without a leader holds up confirms nothing for others either. */
async function confirms(model: ChannelModel, queue: string, withinMs: number): Promise<boolean> {
  const channel = await model.createConfirmChannel();
  channel.on('error', () => {});
  const confirmed = Promise.withResolvers<boolean>();
  const late = setTimeout(() => confirmed.resolve(false), withinMs).unref();
  channel.publish('', queue, PROBE, { expiration: String(PROBE_MS) }, (error: unknown) =>
    confirmed.resolve(error === null || error === undefined),
  );
  const does = await confirmed.promise;
  clearTimeout(late);
  channel.close().catch(() => {});
  return does;
}
