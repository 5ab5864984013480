import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, RuntimeError } from '../../errors.ts';

/** What holds it, in the folder of the feed's state. */
export const GATEWAY_ID_FILE = 'feeds.gateway-id';

const ID = /^[0-9a-f]{16}$/;

/**
 * What tells this gateway from the others at a broker: made once, and the same from then on, because what it is told while
 * it is away waits under this name. Throws `ICAPGW_FEED_STATE` where it cannot be kept.
 */
export function loadGatewayId(folder: string): string {
  const path = join(folder, GATEWAY_ID_FILE);
  const known = read(path);
  if (known !== undefined) return known;
  const id = randomBytes(8).toString('hex');
  try {
    write(path, id);
  } catch (cause) {
    throw new RuntimeError('ICAPGW_FEED_STATE', { detail: `${path}: ${messageOf(cause)}`, cause });
  }
  return id;
}

function read(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return ID.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all. */
function write(path: string, id: string): void {
  // A link that somebody put there is replaced, not followed.
  rmSync(`${path}.new`, { force: true });
  const file = openSync(`${path}.new`, 'wx', 0o600);
  try {
    writeSync(file, `${id}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}
