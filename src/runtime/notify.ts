import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../errors.ts';

export interface NotifierOptions {
  /** The environment of the process: without `NOTIFY_SOCKET` nobody wants to be told. */
  readonly env: NodeJS.ProcessEnv;
  /** A message did not arrive. */
  readonly onFailure: (detail: string) => void;
}

const PROGRAM = 'systemd-notify';
/** The program itself waits five seconds for its message to be read. */
const PATIENCE_MS = 6000;

const runProgram = promisify(execFile);

/**
 * Speaks sd_notify(3) to the service manager. Node cannot open unix datagram sockets, so each message is one run of
 * systemd-notify, which comes with systemd, needs no compiler, and stays until its message was read: the manager looks
 * up who sent it. As the sender is a child, the unit has to say `NotifyAccess=all`.
 */
export class Notifier implements AsyncDisposable {
  readonly isWanted: boolean;
  readonly #options: NotifierOptions;
  #last: Promise<void> = Promise.resolve();

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.isWanted = (options.env['NOTIFY_SOCKET'] ?? '') !== '';
  }

  /** Sends assignments such as `READY=1`, after all that was sent before. */
  send(...assignments: readonly string[]): void {
    if (this.isWanted) this.#last = this.#last.then(() => this.#run(assignments));
  }

  /** Waits until what was sent has arrived. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
  }

  async #run(assignments: readonly string[]): Promise<void> {
    const { env, onFailure } = this.#options;
    try {
      await runProgram(PROGRAM, assignments, { env, timeout: PATIENCE_MS });
    } catch (error) {
      onFailure(reasonOf(error));
    }
  }
}

/** What the program had to say, or why it could not be run. */
function reasonOf(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return said === '' ? messageOf(error) : said;
}
