import type { Program } from '../net/program.ts';
import type { ServiceContext } from './context.ts';

/** The programs that are clients of a service of their own, and what else has to be waited for. */
export class OwnPrograms {
  /** With the time at which their connection was over. */
  readonly #running: Map<Program, number | undefined> = new Map();
  #waits = 0;
  readonly #onEnd: () => void;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get count(): number {
    return this.#running.size + this.#waits;
  }

  /** Counts something until it is finished. */
  await(finished: Promise<unknown>): void {
    const end = (): void => {
      this.#waits -= 1;
      this.#onEnd();
    };
    this.#waits += 1;
    finished.then(end, end);
  }

  /** Logs its start and its end, and counts it until then. */
  follow(program: Program, { events, config }: ServiceContext): void {
    const [address] = config.listen;
    const name = address?.kind === 'exec' ? address.program : '';
    const names = { service: config.name, program: `exec:${name}`, pid: program.pid };
    this.#running.set(program, undefined);
    events.log('program-started', names);
    program.socket.once('close', () => {
      if (this.#running.has(program)) this.#running.set(program, performance.now());
    });
    program.whenEnded((end) => {
      this.#running.delete(program);
      events.log('program-ended', { ...names, ...end });
      this.#onEnd();
    });
  }

  /** Ends those that have been without a connection for so long. */
  sweep(nowMs: number, idleMs: number): void {
    for (const [program, overMs] of this.#running) {
      if (overMs !== undefined && nowMs - overMs >= idleMs) program.stop();
    }
  }

  /** Ends all. */
  stop(): void {
    for (const program of this.#running.keys()) program.stop();
  }
}
