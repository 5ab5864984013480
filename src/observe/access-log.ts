import type { CloseReason, HandshakeFailure, HandshakeVersion, RejectReason } from './labels.ts';
import { type LineSink, openLineSink } from './line-sink.ts';
import { bounded, safeJson } from './log-format.ts';
import type { Logger } from './logger.ts';

/** One client connection of a tunnel service, at its end. */
export interface TunnelAccess {
  /** When it ended. */
  readonly timeMs: number;
  readonly service: string;
  readonly client: string;
  readonly tls: HandshakeVersion | undefined;
  readonly subject: string | undefined;
  readonly backend: string | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ms: number;
  /** Why it ended; a failed handshake's reason stands behind `tls-`. */
  readonly reason: CloseReason | RejectReason | `tls-${HandshakeFailure}`;
}

export interface AccessLogOptions {
  /** A path, or `-` for standard output. */
  readonly file: string;
  /** Where trouble with the file is told. */
  readonly log: Logger;
}

const MAX_PENDING_BYTES = 4 * 1024 * 1024;

/** Opens the access log. Throws `ICAPGW_LOG_FILE` where its file cannot be opened. */
export async function openAccessLog({ file, log }: AccessLogOptions): Promise<AccessLog> {
  const sink = await openLineSink({
    target: file === '-' ? 1 : file,
    overwrite: false,
    maxPendingBytes: MAX_PENDING_BYTES,
    onTrouble: (detail) => log.log('access-log-failed', { file, detail }),
    onRecovered: (count) => {
      if (count > 0) log.log('log-lines-lost', { count, file });
    },
  });
  return new AccessLog(sink);
}

/** One JSON object per connection; what is unknown is null, and the keys keep their order. */
export class AccessLog {
  readonly #sink: LineSink;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  get lostCount(): number {
    return this.#sink.lostCount;
  }

  write(access: TunnelAccess): void {
    this.#sink.write(
      safeJson({
        time: new Date(access.timeMs).toISOString(),
        service: access.service,
        client: access.client,
        tls: access.tls ?? null,
        subject: bounded(access.subject) ?? null,
        backend: access.backend ?? null,
        bytesIn: access.bytesIn,
        bytesOut: access.bytesOut,
        ms: access.ms,
        reason: access.reason,
      }),
    );
  }

  /** Opens the file again, for log rotation. */
  reopen(): Promise<void> {
    return this.#sink.reopen();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#sink[Symbol.asyncDispose]();
  }
}
