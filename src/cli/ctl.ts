import { type Command, InvalidArgumentError } from 'commander';
import { printable } from '../config/show.ts';
import type { BlockedAddress } from '../observe/control.ts';
import type { CtlRequest } from './ctl-client.ts';
import { addTargetOptions, targetOf } from './ctl-target.ts';
import type { ViewName } from './ctl-view.ts';
import type { CliIo } from './io.ts';

interface SharedFlags {
  readonly json?: true;
}

const DEFAULT_WATCH_S = 2;
const MAX_WATCH_S = 3600;
const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const MAX_BLOCK_S = 366 * 86_400;
const WISH_TEXTS = {
  drain: 'takes no new connections; those it has may finish',
  maint: 'takes no new connections, and is not checked either',
  ready: 'takes connections again, as soon as its checks pass',
} as const;

const EXAMPLES = `
Examples:
  $ icapgw ctl status --watch                  services, backends, verdicts, certificates, every 2 seconds
  $ icapgw ctl drain mcas/dlp-1                before work on a backend; then: icapgw ctl ready mcas/dlp-1
  $ icapgw ctl connections --json | jq '.connections[] | select(.backend == "dlp-1")'
  $ icapgw ctl block 192.0.2.7 --for 10m
  $ icapgw ctl --admin gw2.example:9344 --token-file /etc/icapgw/token reload

The endpoint is --admin, else ICAPGW_ADMIN, else 127.0.0.1:9344.
The token is in --token-file, else in the file that ICAPGW_TOKEN_FILE names; without one none is sent.
Exit code: 0 done, 1 not done, 2 wrong usage.`;

/** Adds `ctl`, which looks at a running gateway and steers it over its admin endpoint. */
export function addCtlCommand(program: Command, io: CliIo): void {
  const ctl = program
    .command('ctl')
    .summary('look at a running gateway and steer it')
    .description('Looks at a running gateway and steers it, over its admin endpoint.')
    .option('--json', 'print what the endpoint answers')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXAMPLES);
  addTargetOptions(ctl, io);
  addView(ctl, io, 'status', 'what the status page shows');
  addView(ctl, io, 'connections', 'the open connections of clients');
  addView(ctl, io, 'blocked', 'which addresses are blocked, for what, and how their relay is doing');
  addBackendActions(ctl, io);
  addBlockActions(ctl, io);
  ctl
    .command('reload')
    .summary('load the configuration again')
    .description(
      'Loads the configuration file again. One that cannot be used changes nothing; what is wrong is printed.',
    )
    .action(async (_: unknown, command: Command) => {
      const asked = { method: 'POST', path: '/api/v1/reload' } as const;
      await act(command, io, asked, () => 'the configuration was loaded and is in force');
    });
}

function addView(ctl: Command, io: CliIo, name: ViewName, summary: string): void {
  ctl
    .command(name)
    .summary(summary)
    .description(`Prints ${summary}.`)
    .option('--watch [seconds]', `print it again and again (default: every ${DEFAULT_WATCH_S} s)`, parseWatch)
    .action(async ({ watch }: { readonly watch?: number | true }, command: Command) => {
      const { showView } = await import('./ctl-view.ts');
      const { json } = command.optsWithGlobals<SharedFlags>();
      const everyMs = watch === undefined ? undefined : (watch === true ? DEFAULT_WATCH_S : watch) * 1000;
      await showView(io, targetOf(command, io), { name, everyMs, isJson: json === true });
    });
}

function addBackendActions(ctl: Command, io: CliIo): void {
  for (const wish of ['drain', 'ready', 'maint'] as const) {
    ctl
      .command(wish)
      .summary(`the backend ${WISH_TEXTS[wish]}`)
      .description(`The backend ${WISH_TEXTS[wish]}.`)
      .argument('<service/backend>', 'as ctl status names them', parseBackend)
      .action(async ({ path, text }: NamedBackend, _: unknown, command: Command) => {
        const asked = { method: 'POST', path: `${path}/${wish}` } as const;
        const back = wish === 'ready' ? '' : ` (icapgw ctl ready ${text} brings it back)`;
        await act(command, io, asked, () => `${text} ${WISH_TEXTS[wish]}${back}`);
      });
  }
  ctl
    .command('weight')
    .summary('give a backend another share, until the next reload')
    .description('Gives a backend another share of the connections, until the next reload or restart.')
    .argument('<service/backend>', 'as ctl status names them', parseBackend)
    .argument('<weight>', '0 to 256; 0 gives it nothing', Number)
    .action(async ({ path, text }: NamedBackend, weight: number, _: unknown, command: Command) => {
      const asked = { method: 'POST', path: `${path}/weight`, body: { weight } } as const;
      await act(command, io, asked, () => `${text} has weight ${weight}`);
    });
}

function addBlockActions(ctl: Command, io: CliIo): void {
  ctl
    .command('block')
    .summary('turn the clients of an address away')
    .description('Turns the clients of an address or network away and cuts those that are connected.')
    .argument('<address>', '192.0.2.1, 192.0.2.0/24 or 2001:db8::/32')
    .option('--for <duration>', 'how long: 30s, 10m, 2h, 7d (default: until it is unblocked)', parseFor)
    .action(async (address: string, flags: { readonly for?: number }, command: Command) => {
      const body = { address, ...(flags.for !== undefined && { seconds: flags.for }) };
      await act(command, io, { method: 'POST', path: '/api/v1/block', body }, (answer) => {
        const { address: blocked, until, warning } = answer as BlockedAddress & { readonly warning?: string };
        const but = warning === undefined ? '' : `, but ${printable(warning)}`;
        return `${blocked} is blocked ${until === null ? 'until it is unblocked' : `until ${until}`}${but}`;
      });
    });
  ctl
    .command('unblock')
    .summary('let the clients of an address in again')
    .description('Lets the clients of a blocked address or network in again.')
    .argument('<address>', 'as ctl blocked lists it')
    .action(async (address: string, _: unknown, command: Command) => {
      const asked = { method: 'POST', path: '/api/v1/unblock', body: { address } } as const;
      await act(command, io, asked, () => `${printable(address)} is no longer blocked`);
    });
}

async function act(command: Command, io: CliIo, asked: CtlRequest, tell: (answer: unknown) => string): Promise<void> {
  const { askGateway } = await import('./ctl-client.ts');
  const { printCtlError } = await import('./ctl-view.ts');
  const { json } = command.optsWithGlobals<SharedFlags>();
  try {
    const answer = await askGateway(targetOf(command, io), asked);
    io.stdout.write(`${json === true ? JSON.stringify(answer) : tell(answer)}\n`);
    io.exit(0);
  } catch (error) {
    printCtlError(error, io);
    io.exit(1);
  }
}

interface NamedBackend {
  readonly text: string;
  /** Of the API, up to what is to be done. */
  readonly path: string;
}

/** The first slash divides: names of backends may hold one, names of services in such a case must not. */
function parseBackend(text: string): NamedBackend {
  const slash = text.indexOf('/');
  const [service, backend] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash < 1 || backend === '')
    throw new InvalidArgumentError('It must be SERVICE/BACKEND, as ctl status names them.');
  return {
    text: printable(text),
    path: `/api/v1/backends/${encodeURIComponent(service)}/${encodeURIComponent(backend)}`,
  };
}

function parseWatch(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= MAX_WATCH_S))
    throw new InvalidArgumentError(`It must be a number of seconds to ${MAX_WATCH_S}.`);
  return seconds;
}

function parseFor(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNIT_S[unit] ?? 0);
  if (!(seconds > 0 && seconds <= MAX_BLOCK_S)) {
    throw new InvalidArgumentError('It must be a duration such as 30s, 10m, 2h or 7d, up to 366d.');
  }
  return seconds;
}
