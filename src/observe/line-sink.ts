import { once } from 'node:events';
import { open } from 'node:fs/promises';
import sonicBoom, { type SonicBoom } from 'sonic-boom';
import { messageOf, RuntimeError } from '../errors.ts';

export interface LineSinkOptions {
  /** A path, or a standard stream by its descriptor. */
  readonly target: string | 1 | 2;
  /** Whether a file is emptied first. Reopening never empties. */
  readonly overwrite: boolean;
  /** What may wait to be written; a line that does not fit is lost. */
  readonly maxPendingBytes: number;
  /** Called once when writing begins to fail, until it works again. */
  readonly onTrouble: (detail: string) => void;
  /** Called when everything that was kept is written again, with the number of lines that were not kept. */
  readonly onRecovered: (lostCount: number) => void;
}

/** Readable by the administrators' group, which is what log collectors run as. */
const FILE_MODE = 0o640;
const RETRY_MS = 1000;
const CLOSE_DEADLINE_MS = 2000;

/** Opens a file or stream for lines. Throws `ICAPGW_LOG_FILE` naming the file and the reason. */
export async function openLineSink(options: LineSinkOptions): Promise<LineSink> {
  const { target, overwrite, maxPendingBytes } = options;
  try {
    if (typeof target === 'string') await touch(target, overwrite ? 'w' : 'a');
    const stream = new sonicBoom.SonicBoom({ dest: target, append: true, mode: FILE_MODE, maxLength: maxPendingBytes });
    await once(stream, 'ready');
    return new LineSink(stream, options);
  } catch (cause) {
    throw new RuntimeError('ICAPGW_LOG_FILE', { detail: `${target}: ${messageOf(cause)}`, cause });
  }
}

/** Lines to a file or stream, in order and without waiting. A disk that is full costs lines, never the gateway. */
export class LineSink {
  readonly #stream: SonicBoom;
  readonly #options: LineSinkOptions;
  #retry: NodeJS.Timeout | undefined;
  #troubled = false;
  #lostSinceTrouble = 0;
  #lost = 0;
  #closed = false;

  constructor(stream: SonicBoom, options: LineSinkOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on('error', (error: Error) => this.#failed(error.message));
    stream.on('drop', () => this.#dropped());
    stream.on('drain', () => this.#drained());
  }

  /** Lines lost since the start. */
  get lostCount(): number {
    return this.#lost;
  }

  write(line: string): void {
    if (!this.#closed) this.#stream.write(`${line}\n`);
  }

  /** Opens the same path again after a rotation. Where that fails the old file is kept. */
  async reopen(): Promise<void> {
    const { target } = this.#options;
    if (typeof target !== 'string' || this.#closed) return;
    try {
      // sonic-boom would close the old descriptor twice at its next success: only ask for what will work.
      await touch(target, 'a');
      if (this.#closed) return;
      const ready = once(this.#stream, 'ready');
      this.#stream.reopen();
      await ready;
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  /** Writes what is pending, if that works in reasonable time, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    const closed = once(this.#stream, 'close', { signal: AbortSignal.timeout(CLOSE_DEADLINE_MS) });
    this.#stream.end();
    await closed.catch(() => this.#stream.destroy()); // there is nobody left to tell
  }

  #failed(detail: string): void {
    if (this.#closed) return;
    // A line written later tries again by itself, but not once the pending bytes are full.
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#stream.flush();
    }, RETRY_MS).unref();
    this.#trouble(detail);
  }

  #dropped(): void {
    this.#lost += 1;
    this.#lostSinceTrouble += 1;
    this.#trouble('it does not take lines as fast as they come');
  }

  #trouble(detail: string): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#options.onTrouble(detail);
  }

  #drained(): void {
    if (!this.#troubled || this.#closed) return;
    const lost = this.#lostSinceTrouble;
    this.#troubled = false;
    this.#lostSinceTrouble = 0;
    this.#options.onRecovered(lost);
  }
}

async function touch(file: string, flags: 'a' | 'w'): Promise<void> {
  const handle = await open(file, flags, FILE_MODE);
  await handle.close();
}
