import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** What a thread of the program is called, as the kernel keeps it: at most 15 characters. */
export type ThreadName = 'node-MainThread' | 'icapgw feed dis';

const PYTHON = '/usr/bin/python3';

/** Stops one thread of a process by ptrace(2) until its standard input ends, or it is killed itself. */
const HOLDER = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
tid = int(sys.argv[1])
for request in (SEIZE, INTERRUPT):
    if libc.ptrace(request, tid, 0, 0) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(tid, WALL)
print('held', flush=True)
sys.stdin.read()
`;

/** Whether threads can be held here: it takes Python, and the right to trace other processes. */
export const canHoldThreads: boolean = tries();

/** A thread that does nothing. Disposing lets it go on, if its process is still there. */
export interface HeldThread extends AsyncDisposable {
  readonly name: ThreadName;
}

/** Resolves when it stands still; all other threads of the process go on. */
export async function holdThread(pid: number, name: ThreadName): Promise<HeldThread> {
  const holder = spawn(PYTHON, ['-c', HOLDER, String(threadOf(pid, name))], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(holder, 'close');
  await said(holder, name);
  return {
    name,
    async [Symbol.asyncDispose]() {
      holder.stdin?.end();
      await ended;
    },
  };
}

function threadOf(pid: number, name: ThreadName): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const found = threads.find((thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim() === name);
  if (found === undefined) throw new Error(`process ${pid} has no thread ${name}`);
  return Number(found);
}

async function said({ stdout, stderr }: ChildProcess, name: ThreadName): Promise<void> {
  let trouble = '';
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    trouble += text;
  });
  const [first] = stdout === null ? [] : await Promise.race([once(stdout, 'data'), once(stdout, 'close')]);
  if (first === undefined) throw new Error(`${name} cannot be held: ${trouble}`);
}

function tries(): boolean {
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    execFileSync(PYTHON, ['-c', HOLDER, String(sleeper.pid)], { input: '', stdio: 'pipe' });
    return true;
  } catch {
    return false;
  } finally {
    sleeper.kill('SIGKILL');
  }
}
