import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type CliIo, hasColor } from './io.ts';
import { readVersion } from './version.ts';

interface DemoFlags {
  readonly once?: true;
  readonly dir: string;
  readonly port: string;
}

const EXAMPLES = `
Examples:
  $ icapgw demo                 keeps running until Ctrl-C
  $ icapgw demo --once          ends after the two verdicts; exit code 1 when one of them is wrong

The gateway runs in ICAP mode: it understands each transaction, and counts it. Everything stays on this machine. The ICAP
server finds the EICAR test string and payment card numbers and nothing else: it is there to show the way of a document,
not to scan.`;

/** Adds `demo`: the whole way of a document, from a client with a certificate to a verdict, on real sockets. */
export function addDemoCommand(program: Command, io: CliIo): void {
  program
    .command('demo')
    .summary('see it work, with certificates and an ICAP server of its own')
    .description(
      'Makes certificates, starts a demonstration ICAP server and a gateway, and sends two documents through.',
    )
    .option('--once', 'end after the verdicts')
    .option('--dir <folder>', 'where certificates and configuration go', 'certs/demo')
    .option('--port <number>', 'where the gateway listens; 0 takes any free port', '11344')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: DemoFlags, command: Command) => {
      const port = Number(flags.port);
      if (!Number.isInteger(port) || port < 0 || port > 65_535) command.error('error: --port takes a number to 65535');
      const { runDemo } = await import('../runtime/demo.ts');
      const isRight = await runDemo({
        folder: resolve(io.cwd, flags.dir),
        port,
        once: flags.once === true,
        version: readVersion(),
        color: hasColor(io.stdout, io.env),
        print: (text) => io.stdout.write(text),
        complain: (text) => io.stderr.write(text),
      });
      io.exit(isRight ? 0 : 1);
    });
}
