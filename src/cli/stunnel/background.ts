import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { entryFile } from '../../program-files.ts';

/** Who starts a program hears from it how that went, once: from then on it is on its own. */
export interface Parent {
  /** Whether nobody sees what the program writes to its terminal. */
  readonly isDetached: boolean;
  /** Takes what has to be said and has no log to be said in; lost once it runs where nobody sees it. */
  complain(text: string): void;
  /** It runs. */
  ready(): void;
  /** It does not start; `text` says why, in lines. */
  failed(text: string): Promise<void>;
}

export interface BackgroundOptions {
  /** What follows `stunnel` on the child's command line. */
  readonly args: readonly string[];
  /** What the child finds on its standard input; undefined: nothing. */
  readonly input: string | undefined;
  readonly complain: (text: string) => void;
}

interface Word {
  readonly type: 'ready' | 'failed';
  /** For whoever sees the terminal; empty: nothing. */
  readonly text: string;
}

const MAIN: string = fileURLToPath(entryFile('main'));
const MAX_COMPLAINTS = 64 * 1024;
const MARK = 'ICAPGW_BACKGROUND';

/**
 * Starts this program again as the leader of a session without a terminal, and waits for its word. Resolves to whether it
 * runs, which it then goes on doing after the end of this process. Node cannot fork.
 */
export async function startInBackground({ args, input, complain }: BackgroundOptions): Promise<boolean> {
  const child = spawn(process.execPath, [...process.execArgv, MAIN, 'stunnel', ...args], {
    detached: true,
    env: { ...process.env, [MARK]: '1' },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'ignore', 'ipc'],
  });
  child.stdin?.on('error', () => {}); // it says itself what it could not read
  child.stdin?.end(input);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.on('message', (word: Word) => {
    complain(word.text);
    resolve(word.type === 'ready');
  });
  child.once('error', (error) => {
    complain(`[!] The background process cannot be started: ${error.message}\n`);
    resolve(false);
  });
  child.once('exit', (code, signal) => {
    if (code === 0 || code === 1) return resolve(false);
    complain(`[!] The background process ended with ${signal ?? `exit code ${code}`} while it started\n`);
    resolve(false);
  });
  // Whoever ends the start wants it ended as a whole.
  const endChild = (signal: NodeJS.Signals): unknown => child.kill(signal === 'SIGINT' ? 'SIGTERM' : signal);
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, endChild);
  const isRunning = await promise;
  for (const signal of signals) process.off(signal, endChild);
  if (child.connected) child.disconnect();
  child.unref();
  return isRunning;
}

/** Where this process was started by `startInBackground`, the one who did; else somebody who sees its standard error. */
export function findParent(stderr: NodeJS.WritableStream): Parent {
  if (process.env[MARK] === undefined || process.send === undefined) {
    return {
      isDetached: false,
      complain: (text) => stderr.write(text),
      ready: () => {},
      failed: async (text) => {
        stderr.write(text);
      },
    };
  }
  delete process.env[MARK];
  // A parent that is gone has nobody to tell: that is no reason to end.
  const tell = async (word: Word): Promise<void> => {
    if (!process.connected) return;
    await new Promise<void>((resolve) => {
      process.once('disconnect', resolve);
      process.send?.(word, undefined, undefined, () => {
        if (process.connected) process.disconnect?.();
      });
    });
  };
  let complaints = '';
  return {
    isDetached: true,
    complain(text) {
      if (complaints.length < MAX_COMPLAINTS) complaints += text;
    },
    ready() {
      tell({ type: 'ready', text: complaints }).then(() => process.chdir('/'), crash);
    },
    failed: (text) => tell({ type: 'failed', text: complaints + text }),
  };
}

function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
