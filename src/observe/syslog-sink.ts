import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { SyslogConfig } from '../config/log-config.ts';
import { messageOf } from '../errors.ts';

export interface SyslogSinkOptions extends SyslogConfig {
  /** Called once when messages begin to be lost or kept back, until they arrive again. */
  readonly onTrouble: (detail: string) => void;
  /** Called when messages arrive again, with the number of those that were lost. */
  readonly onRecovered: (lostCount: number) => void;
}

/** As <syslog.h> counts them. */
const FACILITIES: Readonly<Record<SyslogConfig['facility'], number>> = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
};

/** util-linux's: it is told the priority of each line, and sends again when the daemon was restarted. */
const PROGRAM = 'logger';
/** Longer ones would be cut into several messages. */
const MAX_MESSAGE = '16KiB';
const MAX_PENDING_BYTES = 1024 * 1024;
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
/** Whoever lives so long has found the daemon. */
const STABLE_MS = 1000;
const CLOSE_DEADLINE_MS = 1000;

type Program = ChildProcessByStdio<Writable, null, Readable>;

/**
 * Messages to syslog, in order and without waiting, through one logger(1) that lives as long as this: Node has no unix
 * datagram sockets. One that ends is started again, after a growing delay; what comes meanwhile is kept up to a bound.
 */
export class SyslogSink implements AsyncDisposable {
  readonly #options: SyslogSinkOptions;
  readonly #facility: number;
  #program: Program | undefined;
  /** Waits for a program. */
  #held: string[] = [];
  #heldBytes = 0;
  /** What a program was given that may not have found the daemon; undefined: it has. */
  #unproven: string[] | undefined;
  #delayMs = RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #said = '';
  #troubled = false;
  #lost = 0;
  #lostSinceTrouble = 0;
  #isClosed = false;

  constructor(options: SyslogSinkOptions) {
    this.#options = options;
    this.#facility = FACILITIES[options.facility];
    this.#start();
  }

  /** Messages lost since the start, as far as it can be known. */
  get lostCount(): number {
    return this.#lost;
  }

  /** `severity` as syslog counts it: 0 to 7. */
  write(severity: number, message: string): void {
    if (this.#isClosed) return;
    const text = `<${this.#facility * 8 + severity}>${message}\n`;
    const pendingBytes = this.#program?.stdin.writableLength ?? this.#heldBytes;
    const byteCount = Buffer.byteLength(text);
    if (pendingBytes + byteCount > MAX_PENDING_BYTES) {
      this.#lost += 1;
      this.#lostSinceTrouble += 1;
      this.#trouble('it does not take messages as fast as they come');
      return;
    }
    if (this.#program === undefined) {
      this.#held.push(text);
      this.#heldBytes += byteCount;
      return;
    }
    this.#unproven?.push(text);
    this.#program.stdin.write(text);
  }

  /** Goes on through a program that is whoever this process has become. */
  renew(): void {
    const program = this.#program;
    if (program === undefined) return;
    program.stdin.end();
    this.#start();
  }

  /** Waits until what was written is sent, if that works in reasonable time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const program = this.#program;
    if (program === undefined) return;
    const ended = once(program, 'exit', { signal: AbortSignal.timeout(CLOSE_DEADLINE_MS) });
    program.stdin.end();
    await ended.catch(() => program.kill()); // there is nobody left to tell
  }

  #start(): void {
    const { ident, socket } = this.#options;
    const args = ['--prio-prefix', '--size', MAX_MESSAGE, '--socket-errors=on', '--socket', socket, '--tag', ident];
    // In a group of its own: Ctrl-C ends it when it has sent the last line.
    const program = spawn(PROGRAM, args, { detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
    this.#program = program;
    this.#said = '';
    program.stdin.on('error', () => {}); // its end tells why
    program.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-1024);
    });
    program.once('error', (error) => this.#ended(program, messageOf(error)));
    program.once('close', (code, signal) => this.#ended(program, `${PROGRAM} ended with ${signal ?? code}`));
    program.unref();
    this.#unproven = this.#held.splice(0);
    this.#heldBytes = 0;
    for (const text of this.#unproven) program.stdin.write(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#recovered(), STABLE_MS).unref();
  }

  #ended(program: Program, reason: string): void {
    if (program !== this.#program || this.#isClosed) return;
    this.#program = undefined;
    this.#held = this.#unproven ?? [];
    this.#heldBytes = this.#held.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#start(), this.#delayMs).unref();
    this.#delayMs = Math.min(LONGEST_RETRY_MS, this.#delayMs * 2);
    this.#trouble(this.#said.trim() || reason);
  }

  #trouble(detail: string): void {
    if (this.#troubled || this.#isClosed) return;
    this.#troubled = true;
    this.#options.onTrouble(detail);
  }

  #recovered(): void {
    this.#delayMs = RETRY_MS;
    this.#unproven = undefined;
    if (!this.#troubled) return;
    const lost = this.#lostSinceTrouble;
    this.#troubled = false;
    this.#lostSinceTrouble = 0;
    this.#options.onRecovered(lost);
  }
}
