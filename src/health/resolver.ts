import { ADDRCONFIG, NODATA, NOTFOUND } from 'node:dns';
import { Resolver as DnsResolver, lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isHostName } from '../config/address.ts';
import type { ResolverConfig } from '../config/config.ts';

/** How names become addresses. Both questions reject when there is nothing to be had. */
export interface Resolver {
  readonly addresses: (host: string) => Promise<FoundAddresses>;
  /** Where the SRV records of a name lead. */
  readonly targets: (name: string) => Promise<readonly SrvTarget[]>;
}

export interface FoundAddresses {
  /** In any order. */
  readonly addresses: readonly string[];
  /** The family that could not be asked for: those addresses may still be there. */
  readonly missing: 4 | 6 | undefined;
  /** How long the answer may be relied on; undefined where nobody says. Never rejects. */
  readonly ttlMs: () => Promise<number | undefined>;
}

/** One SRV record (RFC 2782). */
export interface SrvTarget {
  readonly host: string;
  readonly port: number;
  /** A lower number is used first. */
  readonly priority: number;
  readonly weight: number;
}

interface AddressRecord {
  readonly address: string;
  readonly ttl: number;
}

const DNS_TIMEOUT_MS = 2_000;

/**
 * Asks the configured name servers, and them alone; without any, addresses are those that every other program on this
 * machine sees (the hosts file and nsswitch count). Either way only families that this machine has.
 */
export function createResolver({ servers }: ResolverConfig): Resolver {
  // A new one each time: the system's name servers may be others by then.
  const openDns = (): DnsResolver => {
    const dns = new DnsResolver({ timeout: DNS_TIMEOUT_MS, tries: 1 });
    if (servers.length > 0) dns.setServers(servers);
    return dns;
  };
  return {
    addresses: (host) => (servers.length > 0 ? askServers(openDns(), host) : askSystem(openDns, host)),
    targets: (name) => askTargets(openDns(), name),
  };
}

/** The system's resolver does not tell the TTL, so that DNS is asked for it. */
async function askSystem(openDns: () => DnsResolver, host: string): Promise<FoundAddresses> {
  const found = await lookup(host, { all: true, hints: ADDRCONFIG });
  return {
    addresses: found.map(({ address }) => address),
    missing: undefined,
    ttlMs: async () => {
      const families = await askFamilies(openDns(), host);
      return shortestMs(families.flatMap((family) => (family.status === 'fulfilled' ? family.value : [])));
    },
  };
}

async function askServers(dns: DnsResolver, host: string): Promise<FoundAddresses> {
  const [v4, v6] = await askFamilies(dns, host);
  const records = [v4, v6].flatMap((family) => (family.status === 'fulfilled' ? family.value : []));
  const failed = [v4, v6].find((family) => family.status === 'rejected' && !isDenial(family.reason));
  if (records.length === 0) {
    const refusal = failed ?? v4;
    throw refusal.status === 'rejected' ? refusal.reason : new Error(`${host} has no address`);
  }
  const usable = records.filter(({ address }) => !isIPv6(address) || address === '::1' || hasIpv6());
  if (usable.length === 0) throw new Error(`${host} has only IPv6 addresses, and this machine has none`);
  return {
    addresses: usable.map(({ address }) => address),
    missing: failed === undefined ? undefined : failed === v4 ? 4 : 6,
    ttlMs: async () => shortestMs(usable),
  };
}

function askFamilies(dns: DnsResolver, host: string) {
  return Promise.allSettled<[Promise<AddressRecord[]>, Promise<AddressRecord[]>]>([
    dns.resolve4(host, { ttl: true }),
    dns.resolve6(host, { ttl: true }),
  ]);
}

/** Whether the name server answered, and said that there is none. */
function isDenial(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === NODATA || error.code === NOTFOUND);
}

function shortestMs(records: readonly AddressRecord[]): number | undefined {
  return records.length === 0 ? undefined : Math.min(...records.map(({ ttl }) => ttl)) * 1_000;
}

/** As getaddrinfo has it: a link-local address leads nowhere. */
function hasIpv6(): boolean {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'));
}

/** One record that cannot be meant spoils the answer: it is not known what the others are worth. */
async function askTargets(dns: DnsResolver, name: string): Promise<readonly SrvTarget[]> {
  const records = await dns.resolveSrv(name);
  return records.map(({ name: host, port, priority, weight }) => {
    // RFC 2782: the root says that there is decidedly no such service.
    if (host === '' || host === '.') throw new Error(`the SRV record of ${name} says that there is no such service`);
    // What a name server says ends up in requests.
    if (!isHostName(host))
      throw new Error(`an SRV record of ${name} leads to ${JSON.stringify(host)}, which is no host`);
    if (port === 0) throw new Error(`an SRV record of ${name} leads to port 0 of ${host}`);
    return { host, port, priority, weight };
  });
}
