import { ADDRCONFIG } from 'node:dns';
import { Resolver as DnsResolver, lookup } from 'node:dns/promises';

/** How names become addresses. */
export interface Resolver {
  /** All addresses, in any order; rejects when there are none to be had. */
  readonly addresses: (host: string) => Promise<readonly string[]>;
  /** How long the answer may be relied on; undefined where nobody says. Never rejects. */
  readonly ttlMs: (host: string) => Promise<number | undefined>;
}

const DNS_TIMEOUT_MS = 2_000;

/**
 * Addresses as every other program on this machine sees them (the hosts file and nsswitch count, and only families that
 * this machine has), with the TTL of the DNS records of that name, which the system's resolver does not tell.
 */
export function createSystemResolver(): Resolver {
  const dns = new DnsResolver({ timeout: DNS_TIMEOUT_MS, tries: 1 });
  return {
    async addresses(host) {
      const found = await lookup(host, { all: true, hints: ADDRCONFIG });
      return found.map(({ address }) => address);
    },
    async ttlMs(host) {
      const answers = await Promise.allSettled([dns.resolve4(host, { ttl: true }), dns.resolve6(host, { ttl: true })]);
      const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      return records.length === 0 ? undefined : Math.min(...records.map(({ ttl }) => ttl)) * 1_000;
    },
  };
}
