import type { SrvTarget } from './resolver.ts';

/** One place that a name leads to. */
export interface Endpoint {
  /** Who is there: the name itself, or the target of an SRV record. */
  readonly host: string;
  readonly ip: string;
  readonly port: number;
  /** 0 for those to be used first, 1 for the next, and so on. */
  readonly rank: number;
  /** Its share among those of its rank; 1 is what a record has on average. */
  readonly share: number;
}

/** Host to addresses. */
export type AddressBook = ReadonlyMap<string, readonly string[]>;

/** Every address of a name, each with a whole share; always in the same order. */
export function endpointsOfHost(host: string, port: number, book: AddressBook): readonly Endpoint[] {
  return addressesOf(host, book).map((ip) => ({ host, ip, port, rank: 0, share: 1 }));
}

/**
 * Every address of every target, the first to be used first; always in the same order. A target's weight is split over
 * its addresses. A place that two records lead to is that of the first.
 */
export function endpointsOfTargets(targets: readonly SrvTarget[], book: AddressBook): readonly Endpoint[] {
  const reachable = targets.filter(({ host }) => addressesOf(host, book).length > 0);
  const groups = Map.groupBy(reachable, ({ priority }) => priority);
  const ranks = [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
  const places = new Map<string, Endpoint>();
  for (const [rank, group] of ranks.entries()) {
    const mean = group.reduce((sum, target) => sum + weightOf(target), 0) / group.length;
    for (const target of group.toSorted(compareTargets)) {
      const { host, port } = target;
      const addresses = addressesOf(host, book);
      const share = weightOf(target) / mean / addresses.length;
      for (const ip of addresses) {
        const place = `${ip} ${port}`;
        if (!places.has(place)) places.set(place, { host, ip, port, rank, share });
      }
    }
  }
  return [...places.values()];
}

/** RFC 2782: beside others a weight of 0 leaves a very small chance, not none. */
function weightOf({ weight }: SrvTarget): number {
  return Math.max(1, weight);
}

function compareTargets(a: SrvTarget, b: SrvTarget): number {
  return b.weight - a.weight || (a.host < b.host ? -1 : a.host > b.host ? 1 : a.port - b.port);
}

/** Without duplicates; IPv4 first, so that the order does not change with that of the name server's answers. */
function addressesOf(host: string, book: AddressBook): readonly string[] {
  return [...new Set(book.get(host))].sort(
    (a, b) => Number(a.includes(':')) - Number(b.includes(':')) || (a < b ? -1 : 1),
  );
}
