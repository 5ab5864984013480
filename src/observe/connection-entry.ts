import type { HandshakeVersion } from './labels.ts';

/** One open connection of a client, as it is at the moment. */
export interface ConnectionEntry {
  /** The number it has in the log. */
  readonly connection: number;
  readonly service: string;
  readonly client: string;
  /** Milliseconds since it was accepted. */
  readonly ms: number;
  /** Null in clear, and before the handshake is done. */
  readonly tls: HandshakeVersion | null;
  /** Who the client's certificate says it is; null where it showed none or nobody asked. */
  readonly subject: string | null;
  /** Null while there is none. */
  readonly backend: string | null;
  /** `handshake`, `connecting`, `tunnel`, `idle`, or the ICAP request under way: `REQMOD /reqmod`. */
  readonly activity: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Open connections, the oldest first. */
export interface ConnectionList {
  /** How many there are; more than `connections` has where they were too many to list. */
  readonly total: number;
  readonly connections: readonly ConnectionEntry[];
}
