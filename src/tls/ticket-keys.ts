import { hkdfSync } from 'node:crypto';

/** What all workers of one process share about session tickets; of the process alone, or configured for several. */
export interface TicketSecret {
  readonly secret: Uint8Array;
  /** Counts rotations: another epoch gives other keys. */
  readonly epoch: number;
}

/** A secret from the configuration, which nothing rotates but another configuration. */
export function configuredTicketSecret(text: string): TicketSecret {
  return { secret: Buffer.from(text), epoch: 0 };
}

/** Keys for one service under one policy. */
export interface TicketKeys {
  /** 48 bytes, as node:tls takes them. */
  readonly keys: Buffer;
  /** At most 32 bytes, OpenSSL's limit. */
  readonly sessionIdContext: string;
}

const TICKET_KEY_BYTES = 48;
const CONTEXT_BYTES = 16;

/**
 * A ticket opens a session only where it was issued under the same service and the same trust: keys shared more widely
 * let a client carry its authorization from one policy to another (the class of nginx CVE-2025-23419).
 */
export function deriveTicketKeys(shared: TicketSecret, service: string, policyHash: string): TicketKeys {
  const info = JSON.stringify([service, policyHash, shared.epoch]);
  const derive = (purpose: string, length: number): Buffer =>
    Buffer.from(hkdfSync('sha256', shared.secret, '', `icapgw ${purpose} ${info}`, length));
  return {
    keys: derive('ticket', TICKET_KEY_BYTES),
    sessionIdContext: derive('context', CONTEXT_BYTES).toString('hex'),
  };
}
