import { createHmac, randomBytes } from 'node:crypto';
import type { ConnectionId } from '../config/log-config.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** So many hold 128 bits. */
const UNIQUE_LENGTH = 22;

/**
 * What stunnel's log lines call a connection: its number; or `unique`, text that no other connection of any process has;
 * or the number of the process.
 */
export function createConnectionName(kind: ConnectionId): (connection: number) => string {
  if (kind === 'process') return () => String(process.pid);
  if (kind === 'sequential') return String;
  // Each line of a connection is written on its own: the name is made again from the number.
  const secret = randomBytes(32);
  return (connection) => {
    const bytes = createHmac('sha256', secret).update(String(connection)).digest();
    return Array.from(bytes.subarray(0, UNIQUE_LENGTH), (byte) => DIGITS[byte % DIGITS.length]).join('');
  };
}
