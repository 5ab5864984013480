import { Command, CommanderError } from 'commander';
import { GatewayError } from '../errors.ts';
import type { CliIo } from './io.ts';

/** The command line with every command on it; nothing heavy is loaded before a command runs. */
export function createProgram(io: CliIo): Command {
  const program = new Command('icapgw')
    .description('Secure ICAP gateway: TLS with verified clients in front, healthy ICAP servers behind.')
    .showHelpAfterError('(icapgw --help shows how)')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
  return program;
}

/** Parses and runs one command line. Every failure ends as text on standard error and an exit code. */
export async function runProgram(program: Command, args: readonly string[], io: CliIo): Promise<void> {
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      io.exit(error.exitCode === 0 ? 0 : 2);
      return;
    }
    if (!(error instanceof GatewayError)) throw error;
    io.stderr.write(`icapgw: ${error.message}\n`);
    io.exit(error.source === 'config' ? 2 : 1);
  }
}
