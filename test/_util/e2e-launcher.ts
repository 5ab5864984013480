import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { vi } from 'vitest';

/** The program in the place of stunnel. */
export const LAUNCHER: string = join(import.meta.dirname, '../../stunnel-compat/stunnel');
/** The one whose place it takes. */
export const STUNNEL = 'stunnel4';

export interface CommandEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const PATIENCE_MS = 30_000;

/** Runs a program to its end. One that goes into the background has ended too. */
export async function runCommand(
  program: string,
  args: readonly string[],
  { cwd, input = '', env = process.env }: CommandOptions = {},
): Promise<CommandEnd> {
  const child = spawn(program, args, { cwd, env, stdio: 'pipe', timeout: PATIENCE_MS });
  const written = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written.stderr += text;
  });
  child.stdin.on('error', () => {}); // who does not read it need not
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, ...written };
}

/** A program in the foreground, and what it says on standard error. */
export interface LaunchedProgram extends AsyncDisposable {
  readonly pid: number;
  readonly lines: readonly string[];
  /** The match in the first line from `after` on that fits, said already or yet to come; rejects when the program ends without. */
  line(fits: RegExp, after?: number): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number | null>;
}

export function launch(program: string, args: readonly string[], cwd?: string): LaunchedProgram {
  const child: ChildProcess = spawn(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  const lines: string[] = [];
  const ended = once(child, 'close').then(([code]) => code as number | null);
  let isOver = false;
  ended.then(
    () => {
      isOver = true;
    },
    () => {},
  );
  if (child.stderr !== null) createInterface(child.stderr).on('line', (line) => lines.push(line));
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    async line(fits, after = 0) {
      return await vi.waitFor(
        () => {
          for (const line of lines.slice(after)) {
            const found = fits.exec(line);
            if (found !== null) return found;
          }
          throw new Error(`${isOver ? 'it ended, and ' : ''}nothing fits ${fits}:\n${lines.join('\n')}`);
        },
        { timeout: PATIENCE_MS, interval: 20 },
      );
    },
    signal: (name) => child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A process that went into the background, found by its pid file. Disposing ends it. */
export interface BackgroundProcess extends AsyncDisposable {
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** Waits until there is no such process any more. */
  gone(): Promise<void>;
}

export function backgroundProcess(pidFile: string): BackgroundProcess {
  const pid = Number(readFileSync(pidFile, 'utf8'));
  if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${pidFile} holds no number of a process`);
  const gone = async (): Promise<void> => {
    await vi.waitFor(
      () => {
        if (isRunning(pid)) throw new Error(`process ${pid} is still there`);
      },
      { timeout: PATIENCE_MS, interval: 20 },
    );
  };
  return {
    pid,
    signal: (name) => process.kill(pid, name),
    gone,
    async [Symbol.asyncDispose]() {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL');
      await gone();
    },
  };
}

// One that has ended and whose parent has not asked yet is no process any more.
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
