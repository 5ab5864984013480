import { wrappedIpv4 } from '../net/wrapped-ipv4.ts';
import { SourceList } from '../policy/source-list.ts';

/** Why an address is never blocked. */
export type GuardReason = 'own' | 'allowed' | 'reserved' | 'private';

/** This machine, this link, many at once, nobody. The documentation ranges are not here: the sample findings are of them. */
const RESERVED: readonly string[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::',
  '::1',
  'fe80::/10',
  'ff00::/8',
];

const PRIVATE: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
  // RFC 8215: NAT64 within a site.
  '64:ff9b:1::/48',
];

export interface GuardOptions {
  /** CIDRs in `reserved` and `private` that may be blocked all the same. */
  readonly blockable: readonly string[];
  /** CIDRs that are never blocked. */
  readonly allow: readonly string[];
  /** In canonical form; asked anew each time, as names and interfaces change. */
  readonly own: () => ReadonlySet<string>;
}

/** Keeps a forged or mistaken finding from cutting off what must not be cut off. */
export class Guard {
  readonly #own: GuardOptions['own'];
  readonly #allowed: SourceList;
  readonly #blockable: SourceList;
  static readonly #reserved: SourceList = listed(RESERVED);
  static readonly #private: SourceList = listed(PRIVATE);

  constructor({ blockable, allow, own }: GuardOptions) {
    this.#own = own;
    this.#allowed = listed(allow);
    this.#blockable = listed(blockable);
  }

  /** Undefined: the address, which is in canonical form, may be blocked. An IPv6 one is what it leads to as well. */
  reasonAgainst(address: string): GuardReason | undefined {
    const meant = [address, ...wrappedIpv4(address)];
    const own = this.#own();
    if (meant.some((each) => own.has(each))) return 'own';
    if (meant.some((each) => has(this.#allowed, each))) return 'allowed';
    if (has(this.#blockable, address)) return undefined;
    for (const each of meant) {
      if (has(this.#blockable, each)) continue;
      if (has(Guard.#reserved, each)) return 'reserved';
      if (has(Guard.#private, each)) return 'private';
    }
    return undefined;
  }
}

// Who is denied is on the list; an empty one denies nobody.
function listed(networks: readonly string[]): SourceList {
  return SourceList.from({ allow: [], deny: networks });
}

function has(list: SourceList, address: string): boolean {
  return !list.admits(address);
}
