import type { Command } from 'commander';
import type { CliIo } from './io.ts';

/** Adds `stunnel`, whose arguments are those of stunnel and none of ours. */
export function addStunnelCommand(program: Command, io: CliIo): void {
  program
    .command('stunnel')
    .summary("run in the place of stunnel, with stunnel's own command line")
    .usage('[FILE | -fd N | -help | -version | -sockets | -options]')
    .argument('[args...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: readonly string[]) => {
      const { launchStunnel } = await import('./stunnel/launch.ts');
      await launchStunnel(args, io);
    });
}
