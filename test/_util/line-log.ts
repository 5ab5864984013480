import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** The lines that a program has written so far, and a way to wait for more. */
export class LineLog {
  readonly lines: string[] = [];
  readonly #name: string;
  readonly #waiting: Set<() => void> = new Set();
  #isOver = false;

  /** Follows one output of a program until the program ends. */
  constructor(name: string, child: ChildProcess, output: Readable) {
    this.#name = name;
    createInterface(output).on('line', (line) => {
      this.lines.push(line);
      this.#look();
    });
    child.once('close', () => {
      this.#isOver = true;
      this.#look();
    });
  }

  /** Resolves with the first value that `find` makes of the lines from `from` on; rejects when the program has ended. */
  until<T>(find: (lines: readonly string[]) => T | undefined, from: number = 0): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = (): void => {
      const found = find(this.lines.slice(from));
      if (found === undefined && !this.#isOver) return;
      this.#waiting.delete(look);
      if (found === undefined) reject(new Error(`${this.#name} ended:\n${this.lines.join('\n')}`));
      else resolve(found);
    };
    this.#waiting.add(look);
    look();
    return promise;
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}
