import { setTimeout as delay } from 'node:timers/promises';
import { printable } from '../config/show.ts';
import type { BlockedReport } from '../observe/blocked-report.ts';
import type { ConnectionList } from '../observe/connection-entry.ts';
import type { StatusSnapshot } from '../observe/status.ts';
import { askGateway, CtlError } from './ctl-client.ts';
import type { CtlTarget } from './ctl-target.ts';
import { blockedText, connectionsText, createPaint, statusText } from './ctl-text.ts';
import { type CliIo, hasColor } from './io.ts';

/** What can be looked at; also the last part of its path. */
export type ViewName = 'status' | 'connections' | 'blocked';

export interface CtlView {
  readonly name: ViewName;
  /** Undefined: once. */
  readonly everyMs: number | undefined;
  readonly isJson: boolean;
}

/** From the top of the terminal, over what stood there. */
const CLEAR = '\u001b[H\u001b[J';

/** Prints a view, once or for as long as somebody reads. While it is watched a gateway may come and go. */
export async function showView(io: CliIo, target: CtlTarget, view: CtlView): Promise<void> {
  const { name, everyMs, isJson } = view;
  const isScreen = everyMs !== undefined && !isJson && io.stdout.isTTY === true;
  do {
    try {
      const answer = await askGateway(target, { method: 'GET', path: `/api/v1/${name}` });
      io.stdout.write((isScreen ? CLEAR : '') + (isJson ? jsonText(answer, view) : viewText(name, answer, io)));
      io.exit(0);
    } catch (error) {
      printCtlError(error, io);
      io.exit(1);
    }
    if (everyMs !== undefined) await delay(everyMs);
  } while (everyMs !== undefined && io.stdout.writable);
}

/** Prints what went wrong; throws what is not about the gateway. */
export function printCtlError(error: unknown, io: CliIo): void {
  if (!(error instanceof CtlError)) throw error;
  const problems = error.problems.map((problem) => `  ${printable(problem)}\n`);
  io.stderr.write(`icapgw: ${printable(error.message)}\n${problems.join('')}`);
}

/** While it is watched each answer is one line, for programs that read lines. */
function jsonText(answer: unknown, { everyMs }: CtlView): string {
  return `${everyMs === undefined ? JSON.stringify(answer, null, 2) : JSON.stringify(answer)}\n`;
}

function viewText(name: ViewName, answer: unknown, io: CliIo): string {
  switch (name) {
    case 'status':
      return statusText(answer as StatusSnapshot, createPaint(hasColor(io.stdout, io.env)));
    case 'connections':
      return connectionsText(answer as ConnectionList);
    case 'blocked':
      return blockedText(answer as BlockedReport);
  }
}
