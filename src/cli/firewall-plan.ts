import { formatAddress } from '../config/address.ts';
import { isIpv4, isIpv6 } from '../config/cidr.ts';
import type { Address, BackendAddress, Config, ServiceConfig } from '../config/config.ts';

export type IpFamily = 'ipv4' | 'ipv6';

/** One thing to let through. Its values are addresses, networks and numbers: none of them can hold what a shell reads. */
export interface FirewallRule {
  readonly direction: 'in' | 'out';
  /** `any` where neither an address nor a source decides. */
  readonly family: IpFamily | 'any';
  readonly port: number;
  /** Where clients connect to, or which backend is connected to; undefined: any address of this machine. */
  readonly address: string | undefined;
  /** The clients' network; undefined: anybody. */
  readonly source: string | undefined;
}

/** The rules that one address of the configuration needs, or why it needs none. */
export interface FirewallEntry {
  readonly direction: 'in' | 'out';
  /** Whose address it is; several services may have it. */
  readonly services: readonly string[];
  /** As the configuration writes it. */
  readonly address: string;
  readonly rules: readonly FirewallRule[];
  /** What is to be known about it; a clause that follows the address. */
  readonly note: string | undefined;
}

type EntryDraft = Pick<FirewallEntry, 'rules' | 'note'>;

/**
 * What a configuration needs of a firewall. The admin endpoint is never part of it: it is for this machine, or for those
 * whom an administrator lets in by hand. `outbound` adds the way to the backends.
 */
export function planFirewall(config: Config, outbound: boolean): readonly FirewallEntry[] {
  const entries = config.services.flatMap((service) => [
    ...service.listen.map((address) => ({
      direction: 'in' as const,
      services: [service.name],
      address: formatAddress(address),
      ...planListener(address, { ipv6Only: service.sockets.ipv6Only, sources: sourcesOf(service) }),
    })),
    ...(outbound ? service.backends : []).map(({ address }) => ({
      direction: 'out' as const,
      services: [service.redirectOf ?? service.name],
      address: formatAddress(address),
      ...planBackend(address),
    })),
  ]);
  return mergeEntries([...entries, ...planFeed(config, outbound)]);
}

function planFeed({ feeds }: Config, outbound: boolean): readonly FirewallEntry[] {
  const { guardDuty, smc } = feeds ?? {};
  const entries: FirewallEntry[] = [];
  if (guardDuty !== undefined) {
    const { host, port, allowFrom } = guardDuty;
    const address = { kind: 'tcp' as const, host, port };
    const draft = planListener(address, { ipv6Only: false, sources: allowFrom });
    entries.push({ direction: 'in', services: ['feeds.guardduty'], address: formatAddress(address), ...draft });
  }
  const url = outbound && smc !== undefined ? URL.parse(smc.endpoint) : null;
  if (smc !== undefined && url !== null) {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    // The scheme's own port is not repeated in a URL.
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    const address = { kind: 'tcp' as const, host, port };
    entries.push({
      direction: 'out',
      services: ['feeds.smc'],
      address: formatAddress(address),
      ...planBackend(address),
    });
  }
  return entries;
}

/** What a listener is reached by. */
interface Reach {
  readonly ipv6Only: boolean;
  /** Networks; empty: anybody. */
  readonly sources: readonly string[];
}

function planListener(address: Address, { ipv6Only, sources }: Reach): EntryDraft {
  if (address.kind === 'unix') return none('is a Unix socket and needs no rule');
  if (address.kind === 'stdio') return none('is standard input, for whoever starts icapgw to take care of');
  if (address.kind === 'exec') return none('is a program on this machine and needs no rule');
  const { host, port } = address;
  if (isLoopback(host)) return none('is reached from this machine only and needs no rule');
  if (port === 0) return none('is another port at each start, for tests; give it one');
  const family = familyOf(host, ipv6Only);
  if (family === undefined)
    return none('is a name, and rules take addresses: write the address into the configuration');
  const rule = { direction: 'in' as const, port, address: isWildcard(host) ? undefined : withoutZone(host) };
  if (sources.length === 0) return { rules: [{ ...rule, family, source: undefined }], note: undefined };
  const rules = sources
    .map((source) => ({ ...rule, family: source.includes(':') ? ('ipv6' as const) : ('ipv4' as const), source }))
    .filter((candidate) => family === 'any' || candidate.family === family);
  return { rules, note: rules.length === 0 ? 'cannot be reached from any of the networks that are let in' : undefined };
}

// Behind a proxy that tells who the client is, the connection itself comes from the proxy.
function sourcesOf({ allowFrom, proxyProtocol }: ServiceConfig): readonly string[] {
  return [...new Set(proxyProtocol.accept === 'off' ? allowFrom : proxyProtocol.from)];
}

function planBackend(address: BackendAddress): EntryDraft {
  if (address.kind === 'unix') return none('is a Unix socket and needs no rule');
  if (address.kind === 'exec') return none('is a program on this machine and needs no rule');
  if (address.kind === 'srv') return none('is found by its name, and rules take addresses: allow what it leads to');
  const { host, port } = address;
  if (isLoopback(host)) return none('is on this machine and needs no rule');
  const family = familyOf(host, true);
  if (family === undefined || family === 'any') {
    return none('is a name, and rules take addresses: allow those that it leads to');
  }
  return {
    rules: [{ direction: 'out', family, port, address: withoutZone(host), source: undefined }],
    note: undefined,
  };
}

function none(note: string): EntryDraft {
  return { rules: [], note };
}

/** Undefined for a name. */
function familyOf(host: string, ipv6Only: boolean): IpFamily | 'any' | undefined {
  if (host === '' || host === '::') return ipv6Only ? 'ipv6' : 'any';
  if (isIpv4(host)) return 'ipv4';
  return isIpv6(withoutZone(host)) ? 'ipv6' : undefined;
}

function isWildcard(host: string): boolean {
  return host === '' || host === '::' || host === '0.0.0.0';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIpv4(host) && host.startsWith('127.'));
}

function withoutZone(host: string): string {
  return host.replace(/%.*$/, '');
}

/** Services of one address with the same rules stand together. */
function mergeEntries(entries: readonly FirewallEntry[]): readonly FirewallEntry[] {
  const groups = Map.groupBy(entries, ({ services: _services, ...rest }) => JSON.stringify(rest));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [{ ...first, services: group.flatMap(({ services }) => services) }];
  });
}
