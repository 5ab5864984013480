/** An address that an engine is to block. */
export interface Order {
  /** In canonical text. */
  readonly address: string;
  /** Epoch milliseconds. */
  readonly untilMs: number;
}

/** The body of one request, and what of the orders it holds. */
export interface EntryBatch {
  readonly body: string;
  readonly orders: readonly HeldOrder[];
}

export interface HeldOrder extends Order {
  /** When the entries end at the engine, counted from the moment the body was made. */
  readonly heldUntilMs: number;
}

/** What one request may hold. */
export const MAX_ENTRIES = 250;

/** An address is blocked as a destination and as a source. */
const ENTRIES_PER_ADDRESS = 2;

/** How many addresses one request may hold. */
export const MAX_ADDRESSES: number = MAX_ENTRIES / ENTRIES_PER_ADDRESS;

/**
 * The request that makes an engine block these addresses for the time they have left, rounded up to whole seconds. All
 * of them must have some time left.
 */
export function entryBatch(orders: readonly Order[], nowMs: number): EntryBatch {
  const held = orders.map(({ address, untilMs }) => {
    const durationSeconds = Math.ceil((untilMs - nowMs) / 1000);
    return { address, untilMs, durationSeconds, heldUntilMs: nowMs + durationSeconds * 1000 };
  });
  const entries = held.flatMap(({ address, durationSeconds: duration }) => {
    const any = { address_mode: 'any' };
    const host = { address_mode: 'address', ip_network: `${address}/${address.includes(':') ? 128 : 32}` };
    return [
      { end_point1: any, end_point2: host, duration },
      { end_point1: host, end_point2: any, duration },
    ];
  });
  return { body: JSON.stringify({ entries }), orders: held };
}
