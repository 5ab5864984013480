import { Writable } from 'node:stream';
import type { Command } from 'commander';
import type { CliIo } from '../../src/cli/io.ts';
import { createEmptyProgram, runProgram } from '../../src/cli/program.ts';

/** What one command line left behind. */
export interface CliRecord {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
}

export interface CliRecorderOptions {
  readonly cwd: string;
  readonly isTTY?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs one command line in this process, with the commands that `add` puts on the program. */
export async function runCli(
  args: readonly string[],
  add: (program: Command, io: CliIo) => void,
  { cwd, isTTY = false, env = {} }: CliRecorderOptions,
): Promise<CliRecord> {
  const written = { stdout: '', stderr: '' };
  let exitCode: number | undefined;
  const stream = (name: keyof typeof written) =>
    Object.assign(
      new Writable({
        write(chunk, _encoding, done) {
          written[name] += String(chunk);
          done();
        },
      }),
      { isTTY },
    );
  const io: CliIo = {
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    env,
    cwd,
    exit(code) {
      exitCode = code;
    },
  };
  const program = createEmptyProgram(io);
  add(program, io);
  await runProgram(program, args, io);
  return { ...written, exitCode };
}
