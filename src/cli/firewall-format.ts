import type { FirewallEntry, FirewallRule } from './firewall-plan.ts';

export const FIREWALL_FORMATS = ['iptables', 'nftables', 'ufw', 'netsh'] as const;
export type FirewallFormat = (typeof FIREWALL_FORMATS)[number];

interface Dialect {
  readonly comment: string;
  /** The command lines of one entry. */
  readonly commands: (rules: readonly FirewallRule[]) => readonly string[];
  /** What to know about this tool, below the lines. */
  readonly advice: string;
}

const DIALECTS: Readonly<Record<FirewallFormat, Dialect>> = {
  iptables: {
    comment: '#',
    commands: (rules) => rules.flatMap(iptables),
    advice:
      'To keep them over a restart on Debian and Ubuntu: apt-get install iptables-persistent, netfilter-persistent save',
  },
  nftables: {
    comment: '#',
    commands: (rules) => rules.map(nftables),
    advice: 'To keep them over a restart, add the same to the chains of table inet filter in /etc/nftables.conf',
  },
  ufw: {
    comment: '#',
    commands: (rules) => rules.map(ufw),
    advice: 'ufw keeps its rules. They count once it is enabled: ufw status',
  },
  netsh: {
    comment: 'rem',
    commands: netsh,
    advice: 'To be run as administrator. The rules stay until they are deleted by their name',
  },
};

/** The lines for one tool: commands for its administrator to run, and comments that are harmless wherever they are pasted. */
export function formatFirewall(entries: readonly FirewallEntry[], format: FirewallFormat): readonly string[] {
  const { comment, commands, advice } = DIALECTS[format];
  const lines = entries.flatMap((entry) => [`${comment} ${describe(entry)}`, ...commands(entry.rules)]);
  const isEmpty = entries.every(({ rules }) => rules.length === 0);
  return [...new Set(lines), `${comment} ${isEmpty ? 'No rule is needed' : advice}`];
}

/** A comment of a format. */
export function formatRemark(text: string, format: FirewallFormat): string {
  return `${DIALECTS[format].comment} ${plain(text)}`;
}

function describe({ direction, services, address, note }: FirewallEntry): string {
  const verb = direction === 'in' ? 'listens on' : 'connects to';
  const what = `${plain(services.join(', '))} ${verb} ${plain(address)}`;
  return note === undefined ? what : `${what}, which ${note}`;
}

/**
 * Text from a configuration for a comment: letters, digits and a few marks. A shell that is pasted to may not know comments,
 * and that of Windows ends some of them at an ampersand.
 */
function plain(text: string): string {
  const bounded = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  return bounded.replaceAll('\\', '/').replaceAll(/[^\p{L}\p{N} ,._:@/[\]-]/gu, '_');
}

function iptables({ direction, family, port, address, source }: FirewallRule): string[] {
  const match = [
    direction === 'in' ? '-I INPUT' : '-I OUTPUT',
    '-p tcp',
    source === undefined ? '' : `-s ${source}`,
    address === undefined ? '' : `-d ${address}`,
    `--dport ${port} -j ACCEPT`,
  ];
  const programs = { ipv4: ['iptables'], ipv6: ['ip6tables'], any: ['iptables', 'ip6tables'] }[family];
  return programs.map((program) => [program, ...match].filter(Boolean).join(' '));
}

function nftables({ direction, family, port, address, source }: FirewallRule): string {
  const ip = family === 'ipv6' ? 'ip6' : 'ip';
  const match = [
    source === undefined ? '' : `${ip} saddr ${source}`,
    address === undefined ? '' : `${ip} daddr ${address}`,
  ].filter(Boolean);
  // A table for both families takes a rule for both, unless something in it says which.
  if (match.length === 0 && family !== 'any') match.push(`meta nfproto ${family}`);
  const chain = direction === 'in' ? 'input' : 'output';
  return ['nft insert rule inet filter', chain, ...match, `tcp dport ${port} accept`].join(' ');
}

function ufw({ direction, family, port, address, source }: FirewallRule): string {
  const everywhere = { ipv4: '0.0.0.0/0', ipv6: '::/0', any: 'any' }[family];
  if (direction === 'out') return `ufw allow out proto tcp to ${address ?? everywhere} port ${port}`;
  if (source === undefined && address === undefined && family !== 'ipv6') return `ufw allow ${port}/tcp`;
  const from = source === undefined ? '' : `from ${source} `;
  return `ufw allow proto tcp ${from}to ${address ?? (source === undefined ? everywhere : 'any')} port ${port}`;
}

// One rule takes all sources. The guide of the cloud service opens the port in both directions.
function netsh(rules: readonly FirewallRule[]): readonly string[] {
  const [rule] = rules;
  if (rule === undefined) return [];
  const { direction, port, address } = rule;
  if (direction === 'out') {
    const remote = `remoteip=${address} remoteport=${port}`;
    return [`${NETSH} name="ICAP backend ${address} TCP Port ${port}" dir=out action=allow protocol=TCP ${remote}`];
  }
  const sources = rules.map(({ source }) => source).filter((source) => source !== undefined);
  const what = [
    `protocol=TCP localport=${port}`,
    address === undefined ? '' : `localip=${address}`,
    sources.length === 0 ? '' : `remoteip=${sources.join(',')}`,
  ];
  return ['in', 'out'].map((way) =>
    [`${NETSH} name="Secure ICAP TCP Port ${port}" dir=${way} action=allow`, ...what].filter(Boolean).join(' '),
  );
}

const NETSH = 'netsh advfirewall firewall add rule';
