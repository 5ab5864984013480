import type { LogConfig } from '../config/log-config.ts';
import { accessLine } from './access-line.ts';
import type { AccessRecord } from './access-record.ts';
import { type LineSink, openLineSink } from './line-sink.ts';
import type { Logger } from './logger.ts';
import { squidLine } from './squid-line.ts';

export interface AccessLogOptions {
  /** A path, or `-` for standard output. */
  readonly file: string;
  readonly format: LogConfig['accessFormat'];
  /** Where trouble with the file is told. */
  readonly log: Logger;
}

const MAX_PENDING_BYTES = 4 * 1024 * 1024;

/** Opens the access log. Throws `ICAPGW_LOG_FILE` where its file cannot be opened. */
export async function openAccessLog({ file, format, log }: AccessLogOptions): Promise<AccessLog> {
  const sink = await openLineSink({
    target: file === '-' ? 1 : file,
    overwrite: false,
    maxPendingBytes: MAX_PENDING_BYTES,
    onTrouble: (detail) => log.log('access-log-failed', { file, detail }),
    onRecovered: (count) => {
      if (count > 0) log.log('log-lines-lost', { count, file });
    },
  });
  return new AccessLog(sink, { file, format, log });
}

/** One line per connection of a tunnel service and per ICAP transaction. */
export class AccessLog {
  readonly #sink: LineSink;
  readonly #options: AccessLogOptions;

  constructor(sink: LineSink, options: AccessLogOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  get lostCount(): number {
    return this.#sink.lostCount;
  }

  write(access: AccessRecord): void {
    // The squid layout has no columns for a connection.
    const isSquid = this.#options.format === 'squid' && access.kind === 'icap';
    this.#sink.write(isSquid ? squidLine(access) : accessLine(access));
  }

  /** Opens the file again, for log rotation. Where that fails, it goes on in the old file, and the log says so. */
  async reopen(): Promise<void> {
    const { file, log } = this.#options;
    const detail = await this.#sink.reopen();
    if (detail !== undefined) log.log('log-open-failed', { file, detail });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#sink[Symbol.asyncDispose]();
  }
}
