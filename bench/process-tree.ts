import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, the unit of times in /proc/PID/stat: 100 on every architecture Linux still builds for servers. */
const TICKS_PER_SECOND = 100;

export interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
}

interface ProcessStat {
  readonly parent: number;
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** A process and everything below it, as it is now. */
export function processTree(root: number): number[] {
  const children = Map.groupBy(runningProcesses(), (pid) => readStat(pid)?.parent ?? 0);
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** CPU time a tree has used since it began, threads that have ended included. */
export function cpuTimeOf(root: number): CpuTime {
  let userTicks = 0;
  let systemTicks = 0;
  for (const pid of processTree(root)) {
    const stat = readStat(pid);
    userTicks += stat?.userTicks ?? 0;
    systemTicks += stat?.systemTicks ?? 0;
  }
  const msPerTick = 1_000 / TICKS_PER_SECOND;
  return { userMs: userTicks * msPerTick, systemMs: systemTicks * msPerTick };
}

/** Memory of a tree with pages that processes share counted once (PSS), in KiB. */
export function proportionalKib(root: number): number {
  return processTree(root).reduce((sum, pid) => {
    const rollup = readFile(`/proc/${pid}/smaps_rollup`);
    return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0);
  }, 0);
}

function runningProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readStat(pid: number): ProcessStat | undefined {
  const text = readFile(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may hold anything, spaces and parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 13) return undefined;
  return { parent: Number(fields[1]), userTicks: Number(fields[11]), systemTicks: Number(fields[12]) };
}

/** Empty where the process has gone in the meantime. */
function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
