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
const CLOSE_DEADLINE_MS = 1000;
/** A standard stream that fails with one of these has lost its reader, and gets no other. */
const GONE: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EBADF']);

/** Opens a file or stream for lines. Throws `ICAPGW_LOG_FILE` naming the file and the reason. */
export async function openLineSink(options: LineSinkOptions): Promise<LineSink> {
  const { target, overwrite } = options;
  try {
    if (typeof target === 'string') await touch(target, overwrite ? 'w' : 'a');
    const stream = new sonicBoom.SonicBoom({ dest: target, append: true, mode: FILE_MODE });
    await once(stream, 'ready');
    return new LineSink(stream, options);
  } catch (cause) {
    throw new RuntimeError('ICAPGW_LOG_FILE', { detail: `${target}: ${messageOf(cause)}`, cause });
  }
}

/**
 * Lines to a file or stream, in order and without waiting. A disk that is full costs lines, never the gateway; a
 * standard stream that nobody reads any more is given up.
 */
export class LineSink {
  readonly #stream: SonicBoom;
  readonly #options: LineSinkOptions;
  /** Set while writing fails; lines are held until it fires. */
  #retry: NodeJS.Timeout | undefined;
  #held: string[] = [];
  #pendingBytes = 0;
  #pendingLines = 0;
  #troubled = false;
  #lostSinceTrouble = 0;
  #lost = 0;
  #state: 'open' | 'gone' | 'closed' = 'open';

  constructor(stream: SonicBoom, options: LineSinkOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
    stream.on('write', (byteCount: number) => {
      this.#pendingBytes -= byteCount;
    });
    stream.on('drain', () => this.#drained());
  }

  /** Lines lost since the start. */
  get lostCount(): number {
    return this.#lost;
  }

  write(line: string): void {
    if (this.#state === 'closed') return;
    const text = `${line}\n`;
    const byteCount = Buffer.byteLength(text);
    if (this.#state === 'gone' || this.#pendingBytes + byteCount > this.#options.maxPendingBytes) {
      this.#lose(1);
      this.#trouble('it does not take lines as fast as they come');
      return;
    }
    this.#pendingBytes += byteCount;
    this.#pendingLines += 1;
    // The stream would try to write at once, for each line anew.
    if (this.#retry === undefined) this.#stream.write(text);
    else this.#held.push(text);
  }

  /** Opens the same path again after a rotation. Where that fails the old file is kept, and it resolves to the reason. */
  async reopen(): Promise<string | undefined> {
    const { target } = this.#options;
    if (typeof target !== 'string' || this.#state !== 'open') return undefined;
    try {
      // sonic-boom would close the old descriptor twice at its next success: only ask for what will work.
      await touch(target, 'a');
      if (this.#state !== 'open') return undefined;
      const ready = once(this.#stream, 'ready');
      this.#stream.reopen();
      await ready;
      if (this.#state === 'open') this.#resume();
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Writes what is pending before it returns, if it can. */
  flush(): void {
    if (this.#state !== 'open') return;
    try {
      this.#stream.flushSync();
    } catch (error) {
      this.#trouble(messageOf(error));
    }
  }

  /** Writes what is pending, if that works in reasonable time, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    const wasOpen = this.#state === 'open';
    this.#state = 'closed';
    if (!wasOpen) return;
    this.#resume();
    // An error rejects this too: at the end nothing is tried twice.
    const closed = once(this.#stream, 'close', { signal: AbortSignal.timeout(CLOSE_DEADLINE_MS) });
    this.#stream.end();
    await closed.catch(() => this.#stream.destroy()); // there is nobody left to tell
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#state !== 'open') return;
    if (typeof this.#options.target === 'number' && GONE.has(error.code)) this.#giveUp();
    else this.#retry ??= setTimeout(() => this.#resume(), RETRY_MS).unref();
    this.#trouble(error.message);
  }

  #resume(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (const text of this.#held.splice(0)) this.#stream.write(text);
    this.#stream.flush();
  }

  #giveUp(): void {
    this.#state = 'gone';
    clearTimeout(this.#retry);
    this.#held = [];
    this.#lose(this.#pendingLines);
    this.#stream.destroy();
  }

  #lose(count: number): void {
    this.#lost += count;
    this.#lostSinceTrouble += count;
  }

  #trouble(detail: string): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#options.onTrouble(detail);
  }

  #drained(): void {
    this.#pendingLines = 0;
    if (!this.#troubled || this.#state !== 'open') return;
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
