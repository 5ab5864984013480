import type { Command } from 'commander';
import type { CliIo } from './io.ts';

/** What stands before stunnel's own arguments. */
export const STUNNEL_COMMAND = 'stunnel';

/** Puts `stunnel` on the list of commands. Its arguments are none of ours: `runStunnelCommand` reads them. */
export function addStunnelCommand(program: Command): void {
  program
    .command(STUNNEL_COMMAND)
    .summary("run in the place of stunnel, with stunnel's own command line")
    .usage('[FILE | -fd N | -help | -version | -sockets | -options]');
}

/** Runs one command line of stunnel. */
export async function runStunnelCommand(args: readonly string[], io: CliIo): Promise<void> {
  const { launchStunnel } = await import('./stunnel/launch.ts');
  await launchStunnel(args, io);
}
