import { Command, CommanderError } from 'commander';
import { ConfigError, GatewayError } from '../errors.ts';
import { addCheckCommand } from './check.ts';
import { addConnectorCommand } from './connector.ts';
import { addConvertCommand } from './convert.ts';
import { addCtlCommand } from './ctl.ts';
import { addDemoCommand } from './demo.ts';
import { addFirewallCommand } from './firewall.ts';
import { addGenCertCommand } from './gen-cert.ts';
import type { CliIo } from './io.ts';
import { addProbeCommand } from './probe.ts';
import { addRunCommand } from './run.ts';
import { addStunnelCommand, runStunnelCommand, STUNNEL_COMMAND } from './stunnel.ts';
import { verifyConfig } from './verify.ts';
import { readVersion } from './version.ts';

const EXAMPLES = `
Examples:
  $ icapgw demo                                  see it work: certificates, an ICAP server, two verdicts
  $ icapgw gen-cert --cn icap.example.com        the key and certificate to serve
  $ icapgw check icapgw.yaml                     what is wrong with a configuration, line by line
  $ icapgw run -c icapgw.yaml                    run it; a stunnel.conf does as well
  $ icapgw probe icaps://localhost:11344/reqmod --eicar --cert client.pem --key client-key.pem --ca ca.pem
  $ icapgw ctl status --watch                    how the one that runs is doing`;

/** The command line before its commands are on it. */
export function createEmptyProgram(io: CliIo): Command {
  return new Command('icapgw')
    .description('Secure ICAP gateway: TLS with verified clients in front, healthy ICAP servers behind.')
    .version(readVersion(), '-V, --version', 'print the version')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
}

/** The command line with every command on it; nothing heavy is loaded before a command runs. */
export function createProgram(io: CliIo): Command {
  const program = createEmptyProgram(io);
  addRunCommand(program, io);
  addConnectorCommand(program, io);
  addStunnelCommand(program);
  addCheckCommand(program, io, async (config, lineOf, name) => (await verifyConfig(config, lineOf, name)).problems);
  addConvertCommand(program, io);
  addFirewallCommand(program, io);
  addGenCertCommand(program, io);
  addProbeCommand(program, io);
  addCtlCommand(program, io);
  addDemoCommand(program, io);
  return program;
}

/** Parses and runs one command line. Every failure ends as text on standard error and an exit code. */
export async function runProgram(program: Command, args: readonly string[], io: CliIo): Promise<void> {
  sayWhereHelpIs(program, program.name());
  try {
    // Its arguments are stunnel's: nothing of ours may be found among them.
    if (args[0] === STUNNEL_COMMAND) await runStunnelCommand(args.slice(1), io);
    else await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      io.exit(error.exitCode === 0 ? 0 : 2);
      return;
    }
    if (!(error instanceof GatewayError)) throw error;
    const problems = error instanceof ConfigError ? error.problems.map(({ message }) => `\n  ${message}`) : [];
    io.stderr.write(`icapgw: ${error.message} [${error.code}]${problems.join('')}\n`);
    io.exit(error.source === 'config' ? 2 : 1);
  }
}

/** After a mistake each command points to its own help, not to that of the whole program. */
function sayWhereHelpIs(command: Command, words: string): void {
  command.showHelpAfterError(`(${words} --help shows how)`);
  for (const each of command.commands) sayWhereHelpIs(each, `${words} ${each.name()}`);
}
