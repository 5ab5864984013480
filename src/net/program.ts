import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { OnReadOpts, Socket } from 'node:net';
import type { ProgramAddress } from '../config/config.ts';
import { createSocketPair } from './socket-pair.ts';

/** What a program is started with, beside its arguments. */
export interface ProgramLaunch {
  /** Variables of its environment: who is connected. */
  readonly facts: Readonly<Record<string, string>>;
  /** Nothing is started before. */
  readonly awake: Promise<void>;
}

/** One of the two is undefined. */
export interface ProgramEnd {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

/** How long a program may take to end once it was asked to. Less than what workers are given to cut what is left. */
const STOP_PATIENCE_MS = 1000;

/** Ours and our service manager's, and what a client might pass itself off with. */
const WITHHELD =
  /^(?:ICAPGW_.*|NOTIFY_SOCKET|WATCHDOG_(?:PID|USEC)|LISTEN_(?:FDS|PID|FDNAMES)|CREDENTIALS_DIRECTORY|REMOTE_(?:HOST|PORT)|SSL_CLIENT_(?:I_)?DN)$/;

/** A running program. It is over when it has ended, whatever became of its socket. */
export class Program {
  /** Its standard input and output, which are one socket. The caller owns it; it has no listener but one for errors. */
  readonly socket: Socket;
  readonly pid: number;
  readonly #listeners: ((end: ProgramEnd) => void)[] = [];
  #end: ProgramEnd | undefined;
  #killer: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, pid: number, socket: Socket) {
    this.socket = socket;
    this.pid = pid;
    child.once('exit', (code, signal) => {
      const end = { exitCode: code ?? undefined, signal: signal ?? undefined };
      this.#end = end;
      clearTimeout(this.#killer);
      for (const tell of this.#listeners) tell(end);
    });
  }

  /** Calls `listener` once, when the program has ended; at once where it has. */
  whenEnded(listener: (end: ProgramEnd) => void): void {
    if (this.#end !== undefined) listener(this.#end);
    else this.#listeners.push(listener);
  }

  /** Ends the program, and what it has started as long as it has not left its process group. */
  stop(): void {
    if (this.#end !== undefined || this.#killer !== undefined) return;
    this.#signal('SIGTERM');
    this.#killer = setTimeout(() => this.#signal('SIGKILL'), STOP_PATIENCE_MS);
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // It is about to be told that there is nobody left.
    }
  }
}

/**
 * Starts a program with one socket for its standard input and output, in a process group of its own; its standard error is
 * ours. Rejects where it cannot be started. Undefined where it is no longer wanted by then.
 */
export async function startProgram(
  { program, args: [name = program, ...args] }: ProgramAddress,
  { facts, awake }: ProgramLaunch,
  { onread, isWanted }: { readonly onread: OnReadOpts | undefined; readonly isWanted: () => boolean },
): Promise<Program | undefined> {
  await awake;
  const { ours, theirs } = await createSocketPair(onread === undefined ? {} : { onread });
  try {
    if (!isWanted()) {
      ours.destroy();
      return undefined;
    }
    const child = spawn(program, args, {
      argv0: name,
      stdio: [theirs, theirs, 'inherit'],
      detached: true,
      env: { ...facts, ...inheritedEnvironment(process.env) },
    });
    if (child.pid === undefined) throw (await once(child, 'error'))[0];
    child.on('error', ignore);
    return new Program(child, child.pid, ours);
  } catch (error) {
    ours.destroy();
    throw error;
  } finally {
    theirs.destroy();
  }
}

/** What this process was started with, without what is between it and who started it. */
export function inheritedEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !WITHHELD.test(name)));
}

/** A signal that did not arrive: the end of the program tells the rest. */
function ignore(): void {}
