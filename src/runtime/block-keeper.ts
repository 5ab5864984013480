import { isIP, SocketAddress } from 'node:net';
import { isCidr } from '../config/cidr.ts';
import { canonicalAddress } from '../feeds/canonical-address.ts';
import type { BlockedAddress, BlockResult, ControlResult } from '../observe/control.ts';
import type { Logger } from '../observe/logger.ts';
import { type Block, BlockList, MAX_BLOCKS } from '../policy/block-list.ts';

export interface BlockKeeperOptions {
  readonly log: Logger;
  /** What was blocked before a restart; those whose time is over are left out. */
  readonly kept: readonly Block[];
  /** Why an address or network must not be blocked, as a sentence; undefined: it may be. */
  readonly objection: (address: string) => string | undefined;
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
    for (const block of options.kept) this.#list.add(block);
    this.#list.expire(Date.now());
    this.#wait();
  }

  /** In the order in which they were blocked. */
  get blocks(): readonly Block[] {
    return this.#list.blocks;
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
    const objection = this.#options.objection(address);
    if (objection !== undefined) return { ok: false, reason: 'guarded', detail: objection };
    const nowMs = Date.now();
    const block = { address, sinceMs: nowMs, untilMs: ttlMs === undefined ? undefined : nowMs + ttlMs };
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

  /** Lifts what the configuration in force says is never blocked. */
  liftAllowed(isAllowed: (address: string) => boolean): void {
    const lifted = this.addresses.filter(isAllowed);
    for (const address of lifted) {
      this.#list.remove(address);
      this.#options.log.log('address-unblocked', { address, cause: 'allowed' });
    }
    if (lifted.length > 0) this.#changed();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #changed(): void {
    this.#options.onChange(this.addresses);
    this.#wait();
  }

  #wait(): void {
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

function describe({ address, untilMs }: Pick<Block, 'address' | 'untilMs'>): BlockedAddress {
  return { address, until: untilMs === undefined ? null : new Date(untilMs).toISOString() };
}

/** One spelling for each address and network, so that it can be found again; undefined for anything else. */
function canonical(text: string): string | undefined {
  if (!isCidr(text)) return undefined;
  const [address = '', prefix] = text.split('/');
  if (prefix === undefined) return canonicalAddress(address);
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const { address: plain } = new SocketAddress({ address, family });
  return `${plain}/${Number(prefix)}`;
}

function notAnAddress(text: string): string {
  const shown = JSON.stringify(text.slice(0, 64));
  return `${shown} is neither an address nor a network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32`;
}
