import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { wrappedIpv4 } from '../net/wrapped-ipv4.ts';
import { canonicalAddress } from './canonical-address.ts';
import type { FeedClock } from './contract/feed-clock.ts';

export interface OwnAddressesOptions {
  /** Addresses and names; an empty one, `0.0.0.0` and `::` stand for every address of this machine. */
  readonly hosts: readonly string[];
  /** Addresses that somebody else keeps up to date. */
  readonly others: () => readonly string[];
  readonly clock: FeedClock;
  /** Every address of a name; rejects where there is none. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** The addresses of this machine's interfaces. */
  readonly interfaces?: () => readonly string[];
}

const REFRESH_MS = 30_000;
const RENEW_MS = 5_000;
const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);

/** What this process listens on and connects to. Names are looked up again and again; one that fails keeps what it had. */
export class OwnAddresses implements Disposable {
  readonly #options: Required<OwnAddressesOptions>;
  readonly #literals: readonly string[];
  readonly #names: readonly string[];
  readonly #isWildcard: boolean;
  readonly #resolved: Map<string, readonly string[]> = new Map();
  #timer: Disposable | undefined;
  #isDisposed = false;
  #set: ReadonlySet<string> = new Set();
  #setAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: OwnAddressesOptions) {
    this.#options = { resolve: resolveName, interfaces: interfaceAddresses, ...options };
    const hosts = [...new Set(options.hosts)];
    const plain = hosts.map((host) => ({ host, address: canonicalAddress(host.replace(/%.*$/s, '')) }));
    this.#literals = plain.flatMap(({ address }) => address ?? []);
    this.#names = plain.filter(({ host, address }) => address === undefined && host !== '').map(({ host }) => host);
    this.#isWildcard = hosts.some((host) => WILDCARDS.has(host));
  }

  /** Resolves when each name has been looked up once; goes on by itself until disposed. */
  async start(): Promise<void> {
    await this.#refresh();
  }

  /** All of them, in canonical form; where one leads to an IPv4 address, as behind NAT64, with that. */
  current(): ReadonlySet<string> {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#setAtMs >= RENEW_MS || nowMs < this.#setAtMs) {
      const local = this.#isWildcard ? this.#options.interfaces() : [];
      const resolved = [...this.#resolved.values()].flat();
      const all = [...this.#literals, ...resolved, ...canonical([...local, ...this.#options.others()])];
      this.#set = new Set([...all, ...all.flatMap(wrappedIpv4)]);
      this.#setAtMs = nowMs;
    }
    return this.#set;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #refresh(): Promise<void> {
    await Promise.all(this.#names.map((name) => this.#look(name)));
    if (this.#isDisposed || this.#names.length === 0) return;
    this.#timer = this.#options.clock.after(REFRESH_MS, () => {
      this.#refresh().catch(() => {});
    });
  }

  async #look(name: string): Promise<void> {
    try {
      this.#resolved.set(name, canonical(await this.#options.resolve(name)));
      this.#setAtMs = Number.NEGATIVE_INFINITY;
    } catch {
      // What was known of it stays; whoever connects there tells of the trouble.
    }
  }
}

function canonical(addresses: readonly string[]): readonly string[] {
  return addresses.flatMap((address) => canonicalAddress(address.replace(/%.*$/s, '')) ?? []);
}

async function resolveName(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => address);
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
