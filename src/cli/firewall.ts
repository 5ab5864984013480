import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import type { FirewallFormat } from './firewall-format.ts';
import { type CliIo, hasColor } from './io.ts';

const EXAMPLES = `
Examples:
  $ icapgw firewall /etc/stunnel/stunnel.conf                   lines for iptables, on Windows for netsh
  $ icapgw firewall --format ufw icapgw.yaml
  $ icapgw firewall --format nftables --outbound icapgw.yaml    also the way to the ICAP servers
  $ icapgw firewall icapgw.yaml | sudo sh                       after you have read them

It prints and changes nothing. What listens on this machine only is left out, and so is the admin endpoint. Where a service has
allow-from, or takes the PROXY protocol from a few, only those are let in.
Exit code: 0, or 2 when the configuration cannot be used.`;

interface FirewallCliOptions {
  readonly format?: FirewallFormat | 'all';
  readonly outbound?: boolean;
  readonly json?: true;
}

/** Adds `firewall FILE`. `platform` decides what is printed when nothing is asked for. */
export function addFirewallCommand(program: Command, io: CliIo, platform: NodeJS.Platform = process.platform): void {
  program
    .command('firewall')
    .summary('print the firewall rules a configuration needs')
    .description('Prints the firewall rules that a configuration needs, native YAML or stunnel.conf, for you to run.')
    .argument('<file>', 'the configuration')
    .addOption(
      new Option('--format <tool>', 'which tool the lines are for').choices([
        'iptables',
        'nftables',
        'ufw',
        'netsh',
        'all',
      ]),
    )
    .option('--outbound', 'also what the gateway connects to, for machines that filter outgoing connections')
    .option('--json', 'print the rules as one JSON object, for other tools')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: FirewallCliOptions) => {
      const { loadConfig } = await import('../config/load.ts');
      const { config, problems } = loadConfig(file, io.cwd, { streams: true, role: 'any' });
      if (config === undefined) {
        const { formatProblem } = await import('./problem-text.ts');
        const color = hasColor(io.stderr, io.env);
        const errors = problems.filter(({ severity }) => severity === 'error');
        for (const problem of errors) io.stderr.write(`${formatProblem(problem, color)}\n`);
        io.exit(2);
        return;
      }
      io.stdout.write(await render(file, config, options, platform));
      io.exit(0);
    });
}

async function render(
  file: string,
  config: Config,
  { format, outbound = false, json }: FirewallCliOptions,
  platform: NodeJS.Platform,
): Promise<string> {
  const { planFirewall } = await import('./firewall-plan.ts');
  const entries = planFirewall(config, outbound);
  if (json === true) return `${JSON.stringify({ file, entries }, null, 2)}\n`;
  const { FIREWALL_FORMATS, formatFirewall, formatRemark } = await import('./firewall-format.ts');
  const wanted = format ?? (platform === 'win32' ? 'netsh' : 'iptables');
  const formats = wanted === 'all' ? FIREWALL_FORMATS : [wanted];
  const blocks = formats.map((each) => {
    const lines = [
      formatRemark(`${each} rules for ${file}. Nothing has been changed: run the lines yourself`, each),
      ...formatFirewall(entries, each),
      ...remarksOn(config, outbound).map((remark) => formatRemark(remark, each)),
    ];
    return `${lines.join('\n')}\n`;
  });
  return blocks.join('\n');
}

function remarksOn({ admin, services }: Config, outbound: boolean): string[] {
  return [
    admin.listen === 'off' ? '' : 'The admin endpoint is not opened: it is for this machine',
    services.some(({ denyFrom }) => denyFrom.length > 0) ? 'deny-from is up to icapgw itself' : '',
    outbound ? '' : 'Outgoing connections are taken to be allowed. Where they are not, add --outbound',
  ].filter(Boolean);
}
