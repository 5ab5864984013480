import { isIP, SocketAddress } from 'node:net';
import { isCidr } from '../config/cidr.ts';
import type { BlockedAddress, BlockResult, ControlResult } from '../observe/control.ts';
import type { Logger } from '../observe/logger.ts';
import { type Block, BlockList, MAX_BLOCKS } from '../policy/block-list.ts';

export interface BlockKeeperOptions {
  readonly log: Logger;
  /** Told of every change, for the workers. */
  readonly onChange: (addresses: readonly string[]) => void;
}

/** A timer cannot be set further ahead than this; what ends later is looked at again. */
const LONGEST_TIMER_MS = 24 * 60 * 60 * 1000;

/** Keeps whom the operator blocked, and lets them in again when their time is over. */
export class BlockKeeper implements Disposable {
  readonly #options: BlockKeeperOptions;
  readonly #list: BlockList = new BlockList();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BlockKeeperOptions) {
    this.#options = options;
  }

  /** For a worker that starts. */
  get addresses(): readonly string[] {
    return this.#list.blocks.map(({ address }) => address);
  }

  get blocked(): readonly BlockedAddress[] {
    return this.#list.blocks.map(describe);
  }

  block(text: string, ttlMs: number | undefined): BlockResult {
    const address = canonical(text);
    if (address === undefined) return { ok: false, reason: 'invalid', detail: notAnAddress(text) };
    const block = { address, untilMs: ttlMs === undefined ? undefined : Date.now() + ttlMs };
    if (!this.#list.add(block)) {
      const detail = `${MAX_BLOCKS} addresses are blocked, which is as many as can be; unblock some, or block a network`;
      return { ok: false, reason: 'full', detail };
    }
    const blocked = describe(block);
    this.#options.log.log('address-blocked', { address, until: blocked.until ?? undefined });
    this.#changed();
    return { ok: true, ...blocked };
  }

  unblock(text: string): ControlResult {
    const address = canonical(text);
    if (address === undefined) return { ok: false, reason: 'invalid', detail: notAnAddress(text) };
    if (!this.#list.remove(address)) return { ok: false, reason: 'unknown', detail: `${address} is not blocked` };
    this.#options.log.log('address-unblocked', { address, cause: 'operator' });
    this.#changed();
    return { ok: true };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #changed(): void {
    this.#options.onChange(this.addresses);
    clearTimeout(this.#timer);
    const { nextEndMs } = this.#list;
    if (nextEndMs === undefined) return;
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(0, nextEndMs - Date.now()));
    this.#timer = setTimeout(() => this.#expire(), waitMs).unref();
  }

  #expire(): void {
    for (const { address } of this.#list.expire(Date.now())) {
      this.#options.log.log('address-unblocked', { address, cause: 'expired' });
    }
    this.#changed();
  }
}

function describe({ address, untilMs }: Block): BlockedAddress {
  return { address, until: untilMs === undefined ? null : new Date(untilMs).toISOString() };
}

/** One spelling for each address, so that it can be found again. */
function canonical(text: string): string | undefined {
  if (!isCidr(text)) return undefined;
  const [address = '', prefix] = text.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const { address: plain } = new SocketAddress({ address, family });
  return prefix === undefined ? plain : `${plain}/${Number(prefix)}`;
}

function notAnAddress(text: string): string {
  const shown = JSON.stringify(text.slice(0, 64));
  return `${shown} is neither an address nor a network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32`;
}
