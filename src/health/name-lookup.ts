import { isIP } from 'node:net';
import type { BackendAddress } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { type AddressBook, type Endpoint, endpointsOfHost, endpointsOfTargets } from './endpoint.ts';
import type { FoundAddresses, Resolver, SrvTarget } from './resolver.ts';

/** An address that has to be resolved: a host that is a name, or the name of SRV records. */
export type SoughtName = Exclude<BackendAddress, { readonly kind: 'unix' | 'exec' }>;

/** How a look went. */
export interface Look {
  /** What could not be resolved, and why; undefined: nothing failed. */
  readonly failure: string | undefined;
  /** How long this may be relied on; undefined where nobody says. Never rejects. */
  readonly ttlMs: () => Promise<number | undefined>;
}

/** What was found last, to hand on to the lookup that follows this one. */
export interface NameMemory {
  readonly targets: readonly SrvTarget[];
  readonly book: AddressBook;
}

/** How many targets of SRV records are followed: what a name server says must not make for any number of questions. */
const MAX_TARGETS = 64;
/** Node.js does not tell the TTL of SRV records: a set that changes is not to go unseen for longer than this. */
const SRV_MS = 30_000;

/** Looks one name up, again and again: it remembers what was found last. */
export class NameLookup {
  readonly #sought: SoughtName;
  readonly #resolver: Resolver;
  #targets: readonly SrvTarget[];
  #book: AddressBook;

  constructor(sought: SoughtName, resolver: Resolver, memory: NameMemory | undefined) {
    this.#sought = sought;
    this.#resolver = resolver;
    this.#targets = memory?.targets ?? [];
    this.#book = memory?.book ?? new Map();
  }

  get memory(): NameMemory {
    return { targets: this.#targets, book: this.#book };
  }

  /** What is known to be where the name leads. */
  get endpoints(): readonly Endpoint[] {
    return this.#sought.kind === 'tcp'
      ? endpointsOfHost(this.#sought.host, this.#sought.port, this.#book)
      : endpointsOfTargets(this.#targets, this.#book);
  }

  /** Brings `endpoints` up to date; what cannot be resolved stays as it was. Never rejects. One look at a time. */
  async look(): Promise<Look> {
    const failures: string[] = [];
    const found: FoundAddresses[] = [];
    const book = new Map<string, readonly string[]>();
    const hosts = await this.#hosts(failures);
    const answers = await Promise.allSettled(hosts.map((host) => this.#resolver.addresses(host)));
    for (const [index, answer] of answers.entries()) {
      const host = hosts[index] ?? '';
      const known = this.#book.get(host) ?? [];
      if (answer.status === 'fulfilled') {
        found.push(answer.value);
        book.set(host, merge(answer.value, known));
      } else {
        failures.push(messageOf(answer.reason));
        book.set(host, known);
      }
    }
    this.#book = book;
    return {
      failure: failures.length === 0 ? undefined : failures.join('; '),
      ttlMs: () => this.#ttlMs(found),
    };
  }

  async #hosts(failures: string[]): Promise<readonly string[]> {
    if (this.#sought.kind === 'tcp') return [this.#sought.host];
    const [answer] = await Promise.allSettled([this.#resolver.targets(this.#sought.name)]);
    if (answer.status === 'fulfilled') this.#targets = answer.value.toSorted(comparePriority).slice(0, MAX_TARGETS);
    else failures.push(messageOf(answer.reason));
    return [...new Set(this.#targets.map(({ host }) => host))];
  }

  async #ttlMs(found: readonly FoundAddresses[]): Promise<number | undefined> {
    const told = (await Promise.all(found.map(({ ttlMs }) => ttlMs()))).filter((ttlMs) => ttlMs !== undefined);
    const bounds = this.#sought.kind === 'srv' ? [...told, SRV_MS] : told;
    return bounds.length === 0 ? undefined : Math.min(...bounds);
  }
}

function merge({ addresses, missing }: FoundAddresses, known: readonly string[]): readonly string[] {
  return [...addresses, ...known.filter((address) => isIP(address) === missing)];
}

function comparePriority(a: SrvTarget, b: SrvTarget): number {
  return a.priority - b.priority || b.weight - a.weight;
}
