import { realpathSync, writeFileSync } from 'node:fs';
import { type LoadedConfig, mergeProblems } from '../../config/load.ts';
import { GatewayError, type Problem } from '../../errors.ts';
import { stunnelBanner } from '../../observe/stunnel-banner.ts';
import type { CliIo } from '../io.ts';
import { readVersion } from '../version.ts';
import { readStunnelArguments, type StunnelList, type StunnelWish } from './arguments.ts';
import { findParent, type Parent, startInBackground } from './background.ts';
import { failureLines, problemText, startLine, systemError } from './start-text.ts';

/** Where a configuration is read from. */
interface Source {
  readonly file: string;
  /** `file /etc/stunnel/stunnel.conf`, `descriptor 0`. */
  readonly name: string;
  readonly args: readonly string[];
}

/**
 * Runs one command line of stunnel: what stunnel prints goes to standard error, its exit codes are 0 and 1, and whether
 * the process stays in the foreground is for the file to say.
 */
export async function launchStunnel(args: readonly string[], io: CliIo): Promise<void> {
  const wish = readStunnelArguments(args);
  const version = readVersion();
  const { node, openssl } = process.versions;
  const banner = stunnelBanner({ version, node, openssl });
  if (wish.kind === 'list') {
    io.stderr.write(`${[...banner, ...(await listLines(wish.list))].join('\n')}\n`);
    io.exit(0);
    return;
  }
  const parent = findParent(io.stderr);
  const head = banner.map((line) => startLine('[.]', line));
  const fail = async (lines: readonly string[]): Promise<void> => {
    await parent.failed([...head, ...lines].join(''));
    io.exit(1);
  };
  if (wish.kind === 'mistake') {
    await fail(await mistakeLines(wish));
    return;
  }
  const source = findSource(wish);
  if ('problem' in source) {
    await fail(source.problem);
    return;
  }
  head.push(startLine('[.]', `Reading configuration from ${source.name}`));
  const { loadConfig } = await import('../../config/load.ts');
  const loaded = loadConfig(source.file, io.cwd, { streams: true, host: 'stunnel' });
  if (loaded.config === undefined) {
    await fail(await refusalLines(loaded.problems, loaded, wish));
    return;
  }
  const { hasStandardClient } = await import('../../config/standard-client.ts');
  if (loaded.foreground === 'no' && !parent.isDetached && !hasStandardClient(loaded.config)) {
    const isStream = wish.kind === 'descriptor';
    const isRunning = await startInBackground({
      args: isStream ? ['-fd', '0'] : source.args,
      input: isStream ? loaded.texts.get(source.file) : undefined,
      complain: (text) => io.stderr.write(text),
    });
    io.exit(isRunning ? 0 : 1);
    return;
  }
  const { prepareThread } = await import('../../runtime/worker-thread.ts');
  prepareThread();
  const { loadMaterial } = await import('../../runtime/material.ts');
  const material = loadMaterial(loaded.config, loaded.lineOf);
  const problems = mergeProblems(loaded.problems, material.problems);
  if (problems.some(({ severity }) => severity === 'error')) {
    await fail(await refusalLines(problems, loaded, wish));
    return;
  }
  const startable = { config: loaded.config, material: material.services, warnings: problems, version };
  await runHere(startable, loaded, parent, fail, io);
}

type Startable = Pick<
  Parameters<typeof import('../../runtime/run.ts').run>[0],
  'config' | 'material' | 'warnings' | 'version'
>;

async function runHere(
  startable: Startable,
  loaded: LoadedConfig,
  parent: Parent,
  fail: (lines: readonly string[]) => Promise<void>,
  io: CliIo,
): Promise<void> {
  nameProcess();
  const { run } = await import('../../runtime/run.ts');
  try {
    await run({
      ...startable,
      color: false,
      complain: (text) => parent.complain(text),
      onReady: () => parent.ready(),
      host: 'stunnel',
      background: parent.isDetached,
    });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    await fail(failureLines(error, startable.config, loaded));
    return;
  }
  io.exit(0);
}

async function listLines(list: StunnelList): Promise<readonly string[]> {
  const { defaultLines, helpLines, socketLines, tlsOptionLines } = await import('./list-text.ts');
  return { help: helpLines, version: defaultLines, sockets: socketLines, options: tlsOptionLines }[list]();
}

async function mistakeLines({
  text,
  descriptor,
}: Extract<StunnelWish, { kind: 'mistake' }>): Promise<readonly string[]> {
  const { SYNTAX } = await import('./list-text.ts');
  return [
    ...(descriptor === undefined ? [] : [startLine('[.]', `Reading configuration from descriptor ${descriptor}`)]),
    startLine('[!]', text),
    ...SYNTAX.map((line) => startLine('[.]', line)),
    ...(descriptor === undefined ? [] : [startLine('[!]', 'Configuration failed')]),
  ];
}

function findSource(
  wish: Extract<StunnelWish, { kind: 'file' | 'descriptor' }>,
): Source | { readonly problem: readonly string[] } {
  if (wish.kind === 'descriptor') {
    const number = String(wish.number);
    return { file: `/dev/fd/${number}`, name: `descriptor ${number}`, args: ['-fd', number] };
  }
  try {
    const file = realpathSync.native(wish.name);
    return { file, name: `file ${file}`, args: [file] };
  } catch (error) {
    return {
      problem: [
        startLine('[!]', `Invalid configuration file name "${wish.name}"`),
        startLine('[!]', `realpath: ${systemError(error)}`),
      ],
    };
  }
}

async function refusalLines(
  problems: readonly Problem[],
  { texts }: LoadedConfig,
  wish: StunnelWish,
): Promise<readonly string[]> {
  const isUnread = texts.size === 0;
  const { SYNTAX } = await import('./list-text.ts');
  return [
    ...(isUnread ? [startLine('[!]', 'Cannot open configuration file')] : []),
    ...problems.map((problem) => startLine(problem.severity === 'error' ? '[!]' : '[:]', problemText(problem, texts))),
    ...(isUnread && wish.kind === 'descriptor' ? SYNTAX.map((line) => startLine('[.]', line)) : []),
    startLine('[!]', 'Configuration failed'),
  ];
}

/** By which `pgrep -x`, `killall` and `top` find it. The arguments stay as they are. */
function nameProcess(): void {
  try {
    writeFileSync('/proc/self/comm', 'stunnel');
  } catch {
    // Only Linux has this; nothing depends on it.
  }
}
