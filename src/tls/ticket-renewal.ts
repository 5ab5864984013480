import { randomFillSync } from 'node:crypto';
import type { SecureContext } from 'node:tls';

/** What decrypts or encrypts a ticket: what becomes of it, the key of the HMAC, the AES key, its name, its IV. */
type TicketAnswer = readonly [result: number, hmacKey: Buffer, aesKey: Buffer, name: Buffer, iv: Buffer];

/**
 * What is used of a context beyond its documented interface. Node's own answer never lets OpenSSL give a new ticket when
 * a session is resumed; OpenSSL alone always does so in TLS 1.3, since a client is to use each ticket once (RFC 8446 C.4).
 */
interface TicketedContext {
  enableTicketKeyCallback(): void;
  onticketkeycallback: (name: Buffer, iv: Buffer, isNew: boolean) => TicketAnswer;
}

/** Where Node looks for the parts of an answer, as `TicketAnswer` has them. */
const PARTS: readonly string[] = [
  'kTicketKeyReturnIndex',
  'kTicketKeyHMACIndex',
  'kTicketKeyAESIndex',
  'kTicketKeyNameIndex',
  'kTicketKeyIVIndex',
];
const PART_BYTES = 16;
const IV_POOL_BYTES = 256 * PART_BYTES;

// OpenSSL's return values.
const UNKNOWN = 0;
const TAKEN = 1;
const TAKEN_AND_RENEWED = 2;

/**
 * Has a context give a new ticket for each that is used, with the 48 bytes of keys that node:tls takes. Where this runtime
 * cannot, nothing has changed and the answer is false: sessions are resumed all the same, without a new ticket.
 */
export function renewTickets({ context }: SecureContext, keys: Buffer): boolean {
  if (!canRenew(context)) return false;
  const name = keys.subarray(0, PART_BYTES);
  const hmacKey = keys.subarray(PART_BYTES, 2 * PART_BYTES);
  const aesKey = keys.subarray(2 * PART_BYTES);
  const iv = Buffer.alloc(PART_BYTES);
  // Node ends the process where a part is missing, whatever the result: each answer has them all.
  const unknown: TicketAnswer = [UNKNOWN, hmacKey, aesKey, name, iv];
  const renewed: TicketAnswer = [TAKEN_AND_RENEWED, hmacKey, aesKey, name, iv];
  const made: TicketAnswer = [TAKEN, hmacKey, aesKey, name, iv];
  context.onticketkeycallback = (given, _iv, isNew) => {
    if (!isNew) return name.equals(given) ? renewed : unknown;
    takeIv(iv);
    return made;
  };
  context.enableTicketKeyCallback();
  return true;
}

function canRenew(context: object): context is TicketedContext {
  const { enableTicketKeyCallback } = context as Partial<TicketedContext>;
  const places = context.constructor as unknown as Readonly<Record<string, unknown>>;
  return typeof enableTicketKeyCallback === 'function' && PARTS.every((part, index) => places[part] === index);
}

/** Asking the system for every IV would cost as much as the rest of an answer. */
const ivPool = Buffer.alloc(IV_POOL_BYTES);
let ivPoolUsed = IV_POOL_BYTES;

function takeIv(iv: Buffer): void {
  if (ivPoolUsed === IV_POOL_BYTES) {
    randomFillSync(ivPool);
    ivPoolUsed = 0;
  }
  ivPool.copy(iv, 0, ivPoolUsed, ivPoolUsed + PART_BYTES);
  ivPoolUsed += PART_BYTES;
}
