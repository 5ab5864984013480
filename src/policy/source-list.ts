// The only import of node:net in this folder: BlockList and SocketAddress are plain data (no socket, no event), and the
// runtime's own CIDR matcher is one less place to be wrong about IPv6.
import { BlockList, SocketAddress } from 'node:net';

export interface SourceListOptions {
  /** Addresses and CIDRs; empty: everybody who is not denied. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

const MAPPED_IPV4 = /^::ffff:\d+\./;

/** Who may connect, by address. */
export class SourceList {
  readonly #allow: Networks | undefined;
  readonly #deny: Networks | undefined;

  private constructor(options: SourceListOptions) {
    this.#allow = options.allow.length === 0 ? undefined : new Networks(options.allow);
    this.#deny = options.deny.length === 0 ? undefined : new Networks(options.deny);
  }

  /** Throws where an entry is neither an address nor a CIDR; the configuration's validator says so first, with a line. */
  static from(options: SourceListOptions): SourceList {
    return new SourceList(options);
  }

  /**
   * Deny wins over allow. Undefined is a peer on a unix socket: it has no address, the permissions of the file have
   * judged it, and it is admitted.
   */
  admits(address: string | undefined): boolean {
    if (address === undefined) return true;
    if (this.#deny?.has(address) === true) return false;
    return this.#allow === undefined || this.#allow.has(address);
  }
}

/**
 * One matcher per family: a single BlockList finds every IPv4 address inside `::/0`, which surprises whoever meant IPv6.
 * IPv4 as a dual-stack socket reports it (`::ffff:192.0.2.1`) counts as IPv4, in addresses and in entries.
 */
class Networks {
  readonly #ipv4: BlockList = new BlockList();
  readonly #ipv6: BlockList = new BlockList();

  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry);
  }

  has(address: string): boolean {
    // A link-local client comes with the interface it came through: fe80::1%eth0.
    const [unscoped = ''] = address.split('%', 1);
    return this.#matcherOf(unscoped).check(unscoped, familyOf(unscoped));
  }

  #add(entry: string): void {
    const [network = '', prefix, ...surplus] = entry.split('/');
    if (prefix === undefined) {
      this.#matcherOf(network).addAddress(network, familyOf(network));
      return;
    }
    // Number('') is 0: a cut-off "10.0.0.0/" must not become everybody.
    if (!/^\d+$/.test(prefix) || surplus.length > 0) throw new TypeError(`neither an address nor a CIDR: ${entry}`);
    this.#matcherOf(network).addSubnet(network, Number(prefix), familyOf(network));
  }

  #matcherOf(address: string): BlockList {
    if (familyOf(address) === 'ipv4') return this.#ipv4;
    const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
    return MAPPED_IPV4.test(canonical) ? this.#ipv4 : this.#ipv6;
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
