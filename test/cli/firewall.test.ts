import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addFirewallCommand } from '../../src/cli/firewall.ts';
import { type CliRecord, runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples/cloud-clients');

function firewall(args: readonly string[], cwd: string, platform: NodeJS.Platform = 'linux'): Promise<CliRecord> {
  return runCli(['firewall', ...args], (program, io) => addFirewallCommand(program, io, platform), { cwd });
}

interface ServiceLines {
  readonly name?: string;
  readonly lines: readonly string[];
}

/** A stunnel.conf with these services; what a section needs and a test does not care about is there. */
function confOf(...services: readonly ServiceLines[]): string {
  const sections = services.map(({ name = 'dlp', lines }) => [
    `[${name}]`,
    'cert = /etc/stunnel/a.pem',
    ...(lines.some((line) => line.startsWith('connect')) ? [] : ['connect = 10.0.0.5:1344']),
    ...lines,
  ]);
  return sections.flat().join('\n');
}

async function print(text: string, ...args: readonly string[]): Promise<string[]> {
  using folder = createConfigFolder({ 'a.conf': text });
  const { stdout, stderr, exitCode } = await firewall([...args, 'a.conf'], folder.path);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout.trimEnd().split('\n');
}

async function commandsFor(lines: readonly string[], ...args: readonly string[]): Promise<string[]> {
  return (await print(confOf({ lines }), ...args)).filter((line) => !/^(?:#|rem) /.test(line));
}

describe("the cloud service's configuration", () => {
  test('gives the line of its guide for Linux', async () => {
    const { stdout, exitCode } = await firewall(['stunnel-mcas-linux.conf'], EXAMPLES);
    expect(exitCode).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "# iptables rules for stunnel-mcas-linux.conf. Nothing has been changed: run the lines yourself
      # microsoft-Cloud App Security listens on 0.0.0.0:11344
      iptables -I INPUT -p tcp --dport 11344 -j ACCEPT
      # To keep them over a restart on Debian and Ubuntu: apt-get install iptables-persistent, netfilter-persistent save
      # The admin endpoint is not opened: it is for this machine
      # Outgoing connections are taken to be allowed. Where they are not, add --outbound
      "
    `);
  });

  test('gives the lines of its guide for Windows', async () => {
    const { stdout } = await firewall(['stunnel-mcas-windows.conf'], EXAMPLES, 'win32');
    expect(stdout).toMatchInlineSnapshot(`
      "rem netsh rules for stunnel-mcas-windows.conf. Nothing has been changed: run the lines yourself
      rem microsoft-Cloud App Security listens on 0.0.0.0:11344
      netsh advfirewall firewall add rule name="Secure ICAP TCP Port 11344" dir=in action=allow protocol=TCP localport=11344
      netsh advfirewall firewall add rule name="Secure ICAP TCP Port 11344" dir=out action=allow protocol=TCP localport=11344
      rem To be run as administrator. The rules stay until they are deleted by their name
      rem The admin endpoint is not opened: it is for this machine
      rem Outgoing connections are taken to be allowed. Where they are not, add --outbound
      "
    `);
  });
});

describe.each([
  { name: 'a port alone', lines: ['accept = 11344'] },
  { name: 'every address', lines: ['accept = 1', 'icapgw.listen = :11344'] },
  { name: 'IPv6', lines: ['accept = :::11344', 'socket = a:IPV6_V6ONLY=yes'] },
  { name: 'one address', lines: ['accept = 192.0.2.1:11344'] },
  { name: 'one IPv6 address of an interface', lines: ['accept = 1', 'icapgw.listen = "[fe80::1%eth0]:11344"'] },
  {
    name: 'clients of some networks',
    lines: ['accept = :::11344', 'icapgw.allow-from = [10.0.0.0/8, "2001:db8::/32"]'],
  },
  {
    name: 'proxies that tell who their clients are',
    lines: [
      'accept = 11344',
      'icapgw.allow-from = 10.0.0.0/8',
      'icapgw.proxy-protocol.accept = v2',
      'icapgw.proxy-protocol.from = 192.0.2.9',
    ],
  },
  {
    name: 'backends too',
    lines: ['accept = 11344', 'connect = 10.0.0.6:1344', 'connect = ::6:1344'],
    args: ['--outbound'],
  },
])('$name', ({ lines, args = [] }) => {
  test.each(['iptables', 'nftables', 'ufw', 'netsh'])('as lines of %s', async (format) => {
    expect(await commandsFor(lines, '--format', format, ...args)).toMatchSnapshot();
  });
});

describe('no rule is there', () => {
  test.each([
    ['for this machine alone', ['accept = 127.0.0.1:1', 'accept = ::1:2', 'accept = localhost:3'], 'needs no rule'],
    ['for a Unix socket', ['accept = /run/dlp.sock'], 'is a Unix socket and needs no rule'],
    ['for a name', ['accept = gateway.example:11344'], 'is a name'],
    ['for clients that cannot come', ['accept = 11344', 'icapgw.allow-from = "2001:db8::/32"'], 'cannot be reached'],
    ['for a port that the system chooses', ['accept = 0'], 'is another port at each start'],
  ])('%s', async (_, lines, note) => {
    const printed = await print(confOf({ lines }));
    expect(printed.filter((line) => !line.startsWith('# '))).toEqual([]);
    expect(printed.join('\n')).toContain(note);
    expect(printed).toContain('# No rule is needed');
  });

  test('for backends by name, by SRV records, on sockets and on this machine', async () => {
    const backends =
      'icapgw.backends = [{address: dlp.example:1}, {address: "srv:_icap._tcp.a"}, {address: "unix:/b"}, {address: "[::1]:1"}]';
    const printed = await print(confOf({ lines: ['accept = /run/a', backends] }), '--outbound');
    expect(printed.filter((line) => !line.startsWith('# '))).toEqual([]);
    expect(printed.filter((line) => line.includes('connects to'))).toHaveLength(4);
  });

  test('for the admin endpoint, wherever it listens', async () => {
    const printed = await print(
      `icapgw.admin.listen = 0.0.0.0:9400\nicapgw.admin.token-file = /t\n${confOf({ lines: ['accept = 11344'] })}`,
    );
    expect(printed.join('\n')).not.toContain('9400');
    expect(printed).toContain('# The admin endpoint is not opened: it is for this machine');
  });
});

test('services on one port are told together, once', async () => {
  const yaml = `services:
  - { name: a, listen: ["192.0.2.1:11344", "192.0.2.2:11344"], protocol: icap, tls: off, backends: [{ address: "10.0.0.5:1" }] }
  - { name: b, listen: "192.0.2.3:11344", protocol: icap, tls: off, backends: [{ address: "10.0.0.5:1" }] }
`;
  expect(await print(yaml, '--outbound')).toEqual(
    expect.arrayContaining([
      '# a, b connects to 10.0.0.5:1',
      'iptables -I OUTPUT -p tcp -d 10.0.0.5 --dport 1 -j ACCEPT',
    ]),
  );
  expect((await print(yaml)).filter((line) => line.startsWith('iptables'))).toHaveLength(3);
});

test('the way to where a service redirects clients is told as its own', async () => {
  const lines = ['accept = 11344', 'CAfile = ca.pem', 'verifyChain = yes', 'redirect = 10.0.0.9:80'];
  const printed = await print(confOf({ lines }), '--outbound');
  expect(printed.filter((line) => line.includes('10.0.0.9'))).toEqual([
    expect.stringMatching(/^# (?!.* redirect )\S.* connects to 10\.0\.0\.9:80$/),
    'iptables -I OUTPUT -p tcp -d 10.0.0.9 --dport 80 -j ACCEPT',
  ]);
});

test('as JSON the plan can be read by other tools', async () => {
  const lines = await print(confOf({ lines: ['accept = 11344', 'accept = 127.0.0.1:2'] }), '--json');
  expect(JSON.parse(lines.join('\n'))).toEqual({
    file: 'a.conf',
    entries: [
      {
        direction: 'in',
        services: ['dlp'],
        address: '0.0.0.0:11344',
        rules: [{ direction: 'in', family: 'ipv4', port: 11344 }],
      },
      {
        direction: 'in',
        services: ['dlp'],
        address: '127.0.0.1:2',
        rules: [],
        note: 'is reached from this machine only and needs no rule',
      },
    ],
  });
});

test('all formats stand below each other', async () => {
  const printed = await print(serviceText().replace('127.0.0.1', '0.0.0.0'), '--format', 'all');
  expect(printed.filter((line) => line.includes('Nothing has been changed'))).toHaveLength(4);
});

test('a configuration that cannot be used gives its errors and no lines', async () => {
  using folder = createConfigFolder({ 'a.conf': `${confOf({ lines: ['accept = 11344'] })}\nbogus = 1\n` });
  const { stdout, stderr, exitCode } = await firewall(['a.conf'], folder.path);
  expect([stdout, exitCode]).toEqual(['', 2]);
  expect(stderr).toMatch(/^a\.conf:5: error: Specified option name is not valid here: unknown option "bogus"/);
});

test('an unknown format is refused, and help has examples', async () => {
  expect((await firewall(['--format', 'pf', 'a.conf'], '/')).exitCode).toBe(2);
  expect((await firewall(['--help'], '/')).stdout).toContain('$ icapgw firewall --format ufw');
});

/** What neither a shell nor cmd.exe reads as anything but words, were the comment sign not understood. */
const HARMLESS_COMMENT = /^(?:#|rem) [\p{L}\p{N} ,._:@/[\]-]*$/u;
const COMMAND = /^(?:iptables|ip6tables|nft|ufw)(?: [\w.:/-]+)+$/;
const NETSH = /^netsh advfirewall firewall add rule name="[\w .:]+"(?: [a-z]+=[\w.:/,]+)+$/;

test('nothing that a file holds becomes part of a command', async () => {
  const dangerous = fc.constantFrom(
    '$(id)',
    '`id`',
    ';',
    '&',
    '|',
    '\u2028',
    '%PATH%',
    '"',
    "'",
    '\\',
    '\n',
    '\r',
    '!',
    '>',
    '^',
  );
  const text = fc
    .array(fc.oneof(dangerous, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 5 })
    .map((parts) => parts.join(''));
  const configuration = fc.tuple(text, text).map(([name, path]) =>
    confOf({
      name: name.replaceAll('\n', ' '),
      lines: ['accept = 11344', `accept = /run/${path.replaceAll('\n', ' ')}`],
    }),
  );
  let printedCount = 0;
  await fc.assert(
    fc.asyncProperty(configuration, text, async (conf, fileName) => {
      const file = `${fileName.replaceAll(/[/\0]/g, '_').slice(0, 40)}.conf`;
      using folder = createConfigFolder({ [file]: conf });
      const { stdout, exitCode } = await firewall(['--format', 'all', '--outbound', '--', file], folder.path);
      if (exitCode !== 0) return;
      printedCount += 1;
      for (const line of stdout.split('\n').filter(Boolean)) {
        expect(
          [HARMLESS_COMMENT, COMMAND, NETSH].some((form) => form.test(line)),
          line,
        ).toBe(true);
      }
    }),
    { seed: 20_600, numRuns: 100 },
  );
  expect(printedCount).toBeGreaterThan(30);
});

test('the feed needs a way in for findings, and one out to the SMC', async () => {
  const text = ['host: 192.0.2.5', 'smc_endpoint: https://203.0.113.9', 'smc_api_key: k', 'token: t'].join('\n');
  expect((await print(text, '--outbound')).filter((line) => line.startsWith('iptables'))).toEqual([
    'iptables -I INPUT -p tcp -d 192.0.2.5 --dport 5000 -j ACCEPT',
    'iptables -I OUTPUT -p tcp -d 203.0.113.9 --dport 8082 -j ACCEPT',
  ]);
});
