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

const PRIVATE: readonly string[] = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

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

  /** Undefined: the address, which is in canonical form, may be blocked. */
  reasonAgainst(address: string): GuardReason | undefined {
    if (this.#own().has(address)) return 'own';
    if (has(this.#allowed, address)) return 'allowed';
    if (has(this.#blockable, address)) return undefined;
    if (has(Guard.#reserved, address)) return 'reserved';
    return has(Guard.#private, address) ? 'private' : undefined;
  }
}

// Who is denied is on the list; an empty one denies nobody.
function listed(networks: readonly string[]): SourceList {
  return SourceList.from({ allow: [], deny: networks });
}

function has(list: SourceList, address: string): boolean {
  return !list.admits(address);
}
