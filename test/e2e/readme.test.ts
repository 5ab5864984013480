import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import type { LoggedLine } from '../_util/e2e-gateway.ts';
import { type CIcap, hasCIcap, startCIcap } from '../_util/icap-c-icap.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks under one heading, without the indentation of the list they stand in. */
function blocksUnder(heading: string): Block[] {
  const [, section = ''] = README.split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  return [...own.matchAll(/^( *)```(\w+)\n(.*?)^ *```$/gms)].map(([, indent = '', language = '', text = '']) => ({
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** The one command of the steps that begins so. */
function stepOf(start: string): string {
  const lines = STEPS.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trimEnd().split('\n'));
  const found = lines.filter((line) => line.startsWith(start));
  if (found.length !== 1) throw new Error(`README.md has ${found.length} steps that begin with "${start}"`);
  return found[0] ?? '';
}

const STEPS = blocksUnder('In front of your own ICAP server');

describe.skipIf(!hasCIcap)('the gateway of README.md, step by step', () => {
  let folder: TestFolder;
  let server: CIcap;
  let gateway: ChildProcess & { readonly stderr: Readable };
  let closed: Promise<unknown[]> | undefined;
  const events: (LoggedLine & { readonly address?: string; readonly reason?: string })[] = [];
  /** The ports of the text, and those that are used here instead. */
  const ports = new Map<string, string>();

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: `${folder.file('bin')}:${process.env['PATH']}`,
  });
  const here = (text: string): string => text.replaceAll(/(?<=:)\d+/g, (port) => ports.get(port) ?? port);

  /** Runs a command as the shell of the reader does, in the folder of the reader. */
  function run(command: string): Promise<{ readonly code: number; readonly output: string }> {
    const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
    const child = execFile(
      'sh',
      ['-c', here(command)],
      { cwd: folder.path, env: environment() },
      (_, out, complaints) => resolve({ code: child.exitCode ?? -1, output: out + complaints }),
    );
    return promise;
  }

  async function eventNamed(name: string): Promise<(typeof events)[number]> {
    for (;;) {
      const found = events.find(({ event }) => event === name);
      if (found !== undefined) return found;
      if (gateway.exitCode !== null) throw new Error(`the gateway ended without "${name}": ${JSON.stringify(events)}`);
      await once(gateway, 'logged');
    }
  }

  beforeAll(async () => {
    folder = await createFolder();
    // Instead of the npx of npm, which would need the checkout as its folder.
    await mkdir(folder.file('bin'));
    const npx = `#!/bin/sh\n[ "$1" = icapgw ] || exit 127\nshift\nexec '${process.execPath}' '${ROOT}/dist/main.js' "$@"\n`;
    await writeFile(folder.file('bin/npx'), npx, { mode: 0o755 });
    const { rsaServer, ca } = certificates();
    server = await startCIcap(rsaServer, ca.cert);
    ports.set('1344', String(server.port));
  });
  afterAll(async () => {
    if (closed !== undefined) {
      gateway.kill('SIGKILL');
      await closed;
    }
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  test('the ICAP server gives a verdict to the first probe', async () => {
    const { code, output } = await run(stepOf('npx icapgw probe icap://'));
    expect(code, output).toBe(0);
    expect(output).toMatch(/ALLOWED/);
  });

  test('the certificates are made where the next steps look for them', async () => {
    const { code, output } = await run(stepOf('npx icapgw gen-cert'));
    expect(code, output).toBe(0);
  });

  test('the configuration passes the check', async () => {
    const [yaml = '', ...others] = STEPS.filter(({ language }) => language === 'yaml').map(({ text }) => text);
    expect(others).toEqual([]);
    // Free ports instead of the usual ones, and a log that says which.
    const free = here(yaml).replace(/listen: \S+/, 'listen: 127.0.0.1:0');
    await writeFile(folder.file('icapgw.yaml'), `${free}admin: { listen: 127.0.0.1:0 }\nlog: { format: json }\n`);
    const { code, output } = await run(stepOf('npx icapgw check'));
    expect(code, output).toBe(0);
  });

  test('the gateway starts', async () => {
    gateway = spawn('sh', ['-c', `exec ${stepOf('npx icapgw run')}`], {
      cwd: folder.path,
      env: environment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    createInterface(gateway.stderr).on('line', (line) => {
      if (line.startsWith('{')) events.push(JSON.parse(line));
      gateway.emit('logged');
    });
    closed = once(gateway, 'close');
    gateway.once('close', () => gateway.emit('logged'));
    await eventNamed('ready');
    for (const [usual, name] of Object.entries({ 11344: 'listening', 9344: 'admin-listening' })) {
      ports.set(usual, (await eventNamed(name)).address?.replace(/.*:/, '') ?? '');
    }
  });

  test('the probe through it gets a verdict', async () => {
    const { code, output } = await run(stepOf('npx icapgw probe icaps://'));
    expect(code, output).toBe(0);
    expect(output).toMatch(/ALLOWED/);
  });

  test('it says that it is ready, and counts', async () => {
    expect((await run(`${stepOf('curl http://127.0.0.1:9344/readyz')} -sf`)).code).toBe(0);
    const { output } = await run(`${stepOf('curl http://127.0.0.1:9344/metrics')} -sf`);
    expect(output).toMatch(/^icapgw_backend_connections_total\{.*result="connected".*\} [1-9]/m);
  });

  test('without --cert and --key there is no verdict, and the log says why', async () => {
    const { code, output } = await run(stepOf('npx icapgw probe icaps://').replaceAll(/ --(?:cert|key) \S+/g, ''));
    expect(code, output).toBe(1);
    expect(await eventNamed('handshake-failed')).toMatchObject({ reason: 'no-certificate' });
  });

  test('SIGTERM ends it with 0', async () => {
    gateway.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
  });
});

/** What follows `icapgw` in one command line, as the shell would cut it; words in capitals stand for something. */
function argumentsOf(command: string): string[] {
  const [line = ''] = command.split(/ +[#>] ?/);
  return line
    .trim()
    .split(/ +/)
    .map((word) => (word === 'URL' ? 'icap://127.0.0.1/' : word));
}

describe('every command that README.md shows', () => {
  const inLines = [...README.matchAll(/^ +(?:npx )?icapgw (\S.*)$/gm)];
  const inText = [...README.matchAll(/`(?:npx )?icapgw ([^`]+)`/g)];
  const started = [...README.matchAll(/`npm start -- ([^`]+)`/g)].map(([, args = '']) => `demo ${args}`);
  const commands = new Set([...[...inLines, ...inText].map(([, command = '']) => command), ...started]);

  test.each([...commands])('icapgw %s', async (command) => {
    const { exitCode, stderr } = await parse(argumentsOf(command));
    expect({ exitCode, stderr }).toEqual({ exitCode: undefined, stderr: '' });
  });

  test.each(
    [...README.matchAll(/^\| `icapgw ([a-z-]+)[^`]*`(.*)$/gm)].map(([, name = '', text = '']) => ({ name, text })),
  )('$name has the options of its row in the table', async ({ name, text }) => {
    const { stdout } = await parse([name, '--help']);
    const options = [...text.matchAll(/`(--[a-z-]+)`/g)].map(([, option = '']) => option);
    expect(options.filter((option) => option !== '--help' && !stdout.includes(`${option} `))).toEqual([]);
  });
});

/** Parses a command line with the real commands, none of which does anything. */
function parse(args: readonly string[]): ReturnType<typeof runCli> {
  return runCli(
    args,
    (program, io) => {
      for (const command of createProgram(io).commands) program.addCommand(withoutAction(command));
    },
    { cwd: ROOT },
  );
}

/** The command, and those below it, with their options and nothing to do. */
function withoutAction(command: Command): Command {
  for (const below of command.commands) withoutAction(below);
  return command.commands.length === 0 ? command.action(() => undefined) : command;
}
