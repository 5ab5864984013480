import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { addFirewallCommand } from '../../src/cli/firewall.ts';
import type { FirewallFormat } from '../../src/cli/firewall-format.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

/** Every kind of line that there is. */
const YAML = `services:
  - name: open
    listen: ["0.0.0.0:11344", ":11345", "192.0.2.1:11346", "[2001:db8::1]:11347", "[fe80::1%eth0]:11348"]
    protocol: icap
    tls: off
    backends: [{ address: "10.0.0.5:1344" }, { address: "[2001:db8::5]:1344" }, { address: "dlp.example:1344" }]
  - name: some $(false) "networks'
    listen: ["[::]:11349", "192.0.2.1:11350"]
    protocol: icap
    tls: off
    allow-from: [10.0.0.1/8, 10.1.0.0/16, 198.51.100.7, "2001:db8::/32", "::1"]
    backends: [{ address: "10.0.0.5:1344" }]
  - name: ipv6
    listen: "[::]:11351"
    protocol: icap
    tls: off
    sockets: { ipv6-only: true }
    backends: [{ address: "10.0.0.5:1344" }]
`;

/** A network of its own, gone with the shell in it: rules are really made, and nobody else is touched. */
function runApart(script: string): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  return spawnSync('unshare', ['--net', 'sh', '-euc', script], { encoding: 'utf8' });
}

function has(program: string): boolean {
  return runApart(`command -v ${program} && ${program} --version`).status === 0;
}

async function linesOf(format: FirewallFormat): Promise<string> {
  using folder = createConfigFolder({ 'a.yaml': YAML });
  const args = ['firewall', '--format', format, '--outbound', 'a.yaml'];
  return (await runCli(args, addFirewallCommand, { cwd: folder.path })).stdout;
}

// Needs root for a network of its own, and the tool: .ci/run installs them.
describe('the lines of icapgw firewall are taken by', () => {
  test.skipIf(!has('iptables'))('iptables and ip6tables', async () => {
    const { status, stdout, stderr } = runApart(`${await linesOf('iptables')}\niptables -S; echo; ip6tables -S`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [ipv4 = [], ipv6 = []] = stdout
      .split('\n\n')
      .map((list) => list.split('\n').filter((line) => line.startsWith('-A')));
    expect(ipv4.toSorted()).toEqual([
      '-A INPUT -d 192.0.2.1/32 -p tcp -m tcp --dport 11346 -j ACCEPT',
      '-A INPUT -p tcp -m tcp --dport 11344 -j ACCEPT',
      '-A INPUT -p tcp -m tcp --dport 11345 -j ACCEPT',
      '-A INPUT -s 10.0.0.0/8 -d 192.0.2.1/32 -p tcp -m tcp --dport 11350 -j ACCEPT',
      '-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 11349 -j ACCEPT',
      '-A INPUT -s 10.1.0.0/16 -d 192.0.2.1/32 -p tcp -m tcp --dport 11350 -j ACCEPT',
      '-A INPUT -s 10.1.0.0/16 -p tcp -m tcp --dport 11349 -j ACCEPT',
      '-A INPUT -s 198.51.100.7/32 -d 192.0.2.1/32 -p tcp -m tcp --dport 11350 -j ACCEPT',
      '-A INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 11349 -j ACCEPT',
      '-A OUTPUT -d 10.0.0.5/32 -p tcp -m tcp --dport 1344 -j ACCEPT',
    ]);
    expect(ipv6.toSorted()).toEqual([
      '-A INPUT -d 2001:db8::1/128 -p tcp -m tcp --dport 11347 -j ACCEPT',
      '-A INPUT -d fe80::1/128 -p tcp -m tcp --dport 11348 -j ACCEPT',
      '-A INPUT -p tcp -m tcp --dport 11345 -j ACCEPT',
      '-A INPUT -p tcp -m tcp --dport 11351 -j ACCEPT',
      '-A INPUT -s 2001:db8::/32 -p tcp -m tcp --dport 11349 -j ACCEPT',
      '-A INPUT -s ::1/128 -p tcp -m tcp --dport 11349 -j ACCEPT',
      '-A OUTPUT -d 2001:db8::5/128 -p tcp -m tcp --dport 1344 -j ACCEPT',
    ]);
  });

  // The table that Debian's /etc/nftables.conf begins with.
  test.skipIf(!has('nft'))('nftables', async () => {
    const table = `nft -f - <<'END'
table inet filter {
  chain input { type filter hook input priority filter; }
  chain output { type filter hook output priority filter; }
}
END`;
    const { status, stdout, stderr } = runApart(`${table}\n${await linesOf('nftables')}\nnft list ruleset`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const rules = stdout
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.endsWith('accept'));
    expect(rules).toHaveLength(16);
    expect(rules).toEqual(
      expect.arrayContaining([
        'meta nfproto ipv4 tcp dport 11344 accept',
        'tcp dport 11345 accept',
        'ip6 daddr fe80::1 tcp dport 11348 accept',
        'ip saddr 198.51.100.7 ip daddr 192.0.2.1 tcp dport 11350 accept',
        'meta nfproto ipv6 tcp dport 11351 accept',
        'ip6 daddr 2001:db8::5 tcp dport 1344 accept',
      ]),
    );
  });

  // It reads and would write the machine's own rules: a dry run shows what they would become.
  test.skipIf(!has('ufw'))('ufw', async () => {
    const lines = (await linesOf('ufw')).replaceAll(/^ufw /gm, 'ufw --dry-run ');
    const { status, stdout } = runApart(lines);
    expect(status, stdout).toBe(0);
    const tuples = [...new Set([...stdout.matchAll(/^### tuple ### (.*)$/gm)].map(([, tuple]) => tuple))];
    expect(tuples).toEqual(
      expect.arrayContaining([
        'allow tcp 11344 0.0.0.0/0 any 0.0.0.0/0 in',
        'allow tcp 11346 192.0.2.1 any 0.0.0.0/0 in',
        'allow tcp 11347 2001:db8::1 any ::/0 in',
        'allow tcp 11349 0.0.0.0/0 any 10.0.0.0/8 in',
        'allow tcp 11349 ::/0 any 2001:db8::/32 in',
        'allow tcp 11350 192.0.2.1 any 198.51.100.7 in',
        'allow tcp 11351 ::/0 any ::/0 in',
        'allow tcp 1344 2001:db8::5 any ::/0 out',
      ]),
    );
  });
});
