import { wrappedIpv4 } from '../net/wrapped-ipv4.ts';
import { SourceList } from '../policy/source-list.ts';

/** Keeps operators from cutting off what must not be cut off. */
export class BlockGuard {
  readonly #networks: readonly string[];
  /** Those that are wider than an address. */
  readonly #wide: readonly { readonly prefix: number; readonly list: SourceList }[];
  readonly #allowed: SourceList;
  readonly #own: () => ReadonlySet<string>;

  /** `own` is asked anew each time, as names and interfaces change. */
  constructor(allow: readonly string[], own: () => ReadonlySet<string>) {
    this.#networks = allow;
    this.#allowed = listed(allow);
    this.#wide = allow.flatMap((network) => {
      const [, prefix] = network.split('/');
      return prefix === undefined ? [] : [{ prefix: Number(prefix), list: listed([network]) }];
    });
    this.#own = own;
  }

  /** Whether the whole of an address or network is never blocked. */
  allows(network: string): boolean {
    const [address = '', prefix] = network.split('/');
    if (prefix === undefined) return meantBy(address).some((each) => has(this.#allowed, each));
    return this.#wide.some((allowed) => allowed.prefix <= Number(prefix) && has(allowed.list, address));
  }

  /** Why the whole of an address or network is never blocked; undefined: it may be, at least a part of it. */
  reasonAgainst(network: string): 'own' | 'allowed' | undefined {
    const own = this.#own();
    if (meantBy(network).some((each) => own.has(each))) return 'own';
    return this.allows(network) ? 'allowed' : undefined;
  }

  /** What is not blocked either where it lies within a network that is. */
  get exempt(): readonly string[] {
    // In an order of its own: that of names and interfaces changes.
    return [...this.#networks, ...[...this.#own()].sort()];
  }

  /** Why an address or network must not be blocked, as a sentence; undefined: it may be. */
  objection(network: string): string | undefined {
    const blocked = listed(meantBy(network));
    const own = [...this.#own()].find((address) => has(blocked, address));
    if (own !== undefined) return `${own} is the gateway's own, or one that it needs: it is never blocked`;
    const allowed = this.#networks.find((each) => has(blocked, each.split('/', 1)[0] ?? ''));
    if (allowed === undefined && !this.allows(network)) return undefined;
    return `${allowed ?? network} is in block-list.allow: it is never blocked; change that first`;
  }
}

/** An address with those that it leads to; a network is what it is. */
function meantBy(network: string): readonly string[] {
  return network.includes('/') ? [network] : [network, ...wrappedIpv4(network)];
}

// Who is denied is on the list; an empty one denies nobody.
function listed(networks: readonly string[]): SourceList {
  return SourceList.from({ allow: [], deny: networks });
}

function has(list: SourceList, address: string): boolean {
  return !list.admits(address);
}
