import { appendFileSync, closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, RuntimeError } from '../../errors.ts';

/** What holds them, in the folder of the feed's state: a line for each. */
export const WITHDRAWALS_FILE = 'feeds.withdrawn';

/** A relay that was ended before its time. Times are epoch milliseconds. */
export interface Withdrawal {
  readonly address: string;
  /** What was found until then is not relayed any more. */
  readonly sentMs: number;
  /** When the broker has let go of all of that. */
  readonly untilMs: number;
}

/** Relays that have been ended while what was to be relayed waits at the broker: known over a restart. */
export class Withdrawals implements Disposable {
  /** Undefined once it is closed. */
  #file: number | undefined;
  readonly #known: Map<string, Withdrawal>;

  private constructor(file: number, known: readonly Withdrawal[]) {
    this.#file = file;
    this.#known = new Map(known.map((withdrawal) => [withdrawal.address, withdrawal]));
  }

  /** Throws `ICAPGW_FEED_STATE` where they cannot be kept in that folder. */
  static open(folder: string, nowMs: number): Withdrawals {
    const path = join(folder, WITHDRAWALS_FILE);
    try {
      const known = read(path).filter(({ untilMs }) => untilMs > nowMs);
      writeFileSync(`${path}.new`, known.map(lineOf).join(''), { mode: 0o600 });
      renameSync(`${path}.new`, path);
      return new Withdrawals(openSync(path, 'a', 0o600), known);
    } catch (cause) {
      throw new RuntimeError('ICAPGW_FEED_STATE', { detail: `${path}: ${messageOf(cause)}`, cause });
    }
  }

  add(withdrawal: Withdrawal): void {
    this.#known.set(withdrawal.address, withdrawal);
    if (this.#file === undefined) return;
    try {
      appendFileSync(this.#file, lineOf(withdrawal));
    } catch {
      // It holds until this process ends. That the disk fails is said where findings cannot be kept.
    }
  }

  /** Whether the relay of what was found then was ended later. */
  covers(address: string, sentMs: number): boolean {
    const withdrawal = this.#known.get(address);
    return withdrawal !== undefined && sentMs <= withdrawal.sentMs;
  }

  /** It was found again since. Returns whether it had been withdrawn. What the file has says nothing about later findings. */
  drop(address: string): boolean {
    return this.#known.delete(address);
  }

  expire(nowMs: number): void {
    for (const [address, { untilMs }] of this.#known) if (untilMs <= nowMs) this.#known.delete(address);
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function lineOf({ address, sentMs, untilMs }: Withdrawal): string {
  return `${address} ${sentMs} ${untilMs}\n`;
}

/** The last line may be cut off, and is left out then. */
function read(path: string): readonly Withdrawal[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      const [, address, sent, until] = /^(\S+) (\d+) (\d+)$/.exec(line) ?? [];
      return address === undefined ? [] : { address, sentMs: Number(sent), untilMs: Number(until) };
    });
}
