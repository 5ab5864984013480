import { canonicalAddress } from '../canonical-address.ts';
import type { Settlement, Sighting } from '../contract/feed-queue.ts';

/** What gateways tell each other over the broker. */
export type BrokerMessage =
  | {
      readonly kind: 'sighting';
      readonly sighting: Sighting;
      /** When the relay is to look at it; undefined: at once. */
      readonly notBeforeMs: number | undefined;
    }
  | { readonly kind: 'settled'; readonly settlements: readonly Settlement[] }
  | { readonly kind: 'concluded'; readonly addresses: readonly string[] }
  | { readonly kind: 'withdrawn'; readonly addresses: readonly string[] };

/** A message with who sent it, and when by that one's clock. */
export interface Envelope {
  readonly message: BrokerMessage;
  readonly from: string;
  readonly sentMs: number;
}

/** Of the format: gateways of a later version may share the broker. */
const FORMAT = 1;
const MAX_BYTES = 1024 * 1024;
const MAX_ITEMS = 10_000;
const MAX_TEXT = 256;
const OUTCOMES: readonly unknown[] = [
  'added',
  'pending',
  'rejected',
  'gone',
] satisfies readonly Settlement['outcome'][];

export function encodeEnvelope({ message, from, sentMs }: Envelope): Buffer {
  return Buffer.from(JSON.stringify({ format: FORMAT, from, sentMs, ...message }));
}

/** Undefined for what no gateway sends: others may write to a broker too. */
export function decodeEnvelope(content: Buffer): Envelope | undefined {
  const fields = content.length > MAX_BYTES ? undefined : parsed(content);
  if (!isMapping(fields) || fields['format'] !== FORMAT) return undefined;
  const { from, sentMs } = fields;
  const message = messageOf(fields);
  if (message === undefined || !isText(from) || !isTime(sentMs)) return undefined;
  return { message, from, sentMs };
}

type Mapping = Readonly<Record<string, unknown>>;

function messageOf(fields: Mapping): BrokerMessage | undefined {
  const { kind, notBeforeMs } = fields;
  switch (kind) {
    case 'sighting': {
      const sighting = sightingOf(fields['sighting']);
      if (sighting === undefined || (notBeforeMs !== undefined && !isTime(notBeforeMs))) return undefined;
      return { kind, sighting, notBeforeMs };
    }
    case 'settled': {
      const settlements = listOf(fields['settlements'], settlementOf);
      return settlements && { kind, settlements };
    }
    case 'concluded':
    case 'withdrawn': {
      const addresses = listOf(fields['addresses'], addressOf);
      return addresses && { kind, addresses };
    }
    default:
      return undefined;
  }
}

function sightingOf(value: unknown): Sighting | undefined {
  if (!isMapping(value)) return undefined;
  const { source, type, untilMs, findings } = value;
  const address = addressOf(value['address']);
  if (address === undefined || !isText(source) || !isText(type) || !isTime(untilMs) || !isTime(findings)) {
    return undefined;
  }
  return { address, source, type, untilMs, findings };
}

function settlementOf(value: unknown): Settlement | undefined {
  if (!isMapping(value)) return undefined;
  const { engine, outcome, heldUntilMs } = value;
  const address = addressOf(value['address']);
  if (address === undefined || !isText(engine) || !isOutcome(outcome) || !isTime(heldUntilMs)) return undefined;
  return { address, engine, outcome, heldUntilMs };
}

function addressOf(value: unknown): string | undefined {
  return typeof value === 'string' && canonicalAddress(value) === value ? value : undefined;
}

/** All or nothing. */
function listOf<T>(value: unknown, read: (item: unknown) => T | undefined): readonly T[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_ITEMS) return undefined;
  const items = value.flatMap((item: unknown) => read(item) ?? []);
  return items.length === value.length ? items : undefined;
}

function isOutcome(value: unknown): value is Settlement['outcome'] {
  return OUTCOMES.includes(value);
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** It comes into logs and onto pages. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT && !/\p{Cc}/u.test(value);
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}
