import { UpstreamError } from '../errors.ts';
import { DEFAULT_ICAP_LIMITS } from '../icap/limits.ts';
import { type DialedConnection, dial, type ProbeTls } from './dial.ts';
import { IcapClient } from './icap-client.ts';
import { authorityOf, type ProbeTarget } from './target.ts';

const CLOSE_HINTS = {
  icap: "it may not accept this client's address, or it speaks TLS: try icaps://",
  icaps: "it may not accept this client's address or certificate",
} as const;

const SILENCE_HINTS = {
  icap: 'is this an ICAP port? One that speaks TLS wants icaps://, a slow one more with --timeout',
  icaps: 'is this an ICAP port? A slow one wants more with --timeout',
} as const;

/** How long a probe waits for what. */
export interface ProbeTimeouts {
  /** For TCP and TLS together. */
  readonly connectMs: number;
  /** The longest silence of the server. */
  readonly silenceMs: number;
  /** For everything. */
  readonly totalMs: number;
}

/** An open connection with the client that speaks on it. */
export interface SessionConnection extends DialedConnection {
  readonly client: IcapClient;
}

/** The connections of one probe: one as long as the server keeps it, another when it does not. */
export class ProbeSession implements Disposable {
  readonly #target: ProbeTarget;
  readonly #tls: ProbeTls;
  readonly #timeouts: ProbeTimeouts;
  readonly #deadline: AbortSignal;
  readonly #cancel: AbortSignal;
  #current: SessionConnection | undefined;

  /** Whoever waits when `cancel` is aborted gets its reason, an Error. */
  constructor(target: ProbeTarget, tls: ProbeTls, timeouts: ProbeTimeouts, cancel: AbortSignal) {
    this.#target = target;
    this.#tls = tls;
    this.#timeouts = timeouts;
    this.#deadline = AbortSignal.timeout(timeouts.totalMs);
    this.#deadline.addEventListener('abort', () => this.#current?.client.close(this.#late()));
    this.#cancel = cancel;
    cancel.addEventListener('abort', this.#onCancel);
  }

  /** A connection that takes a request. */
  async connect(): Promise<SessionConnection> {
    if (this.#current?.client.isReusable === true) return this.#current;
    this.#current?.client.leave();
    const { connectMs, silenceMs, totalMs } = this.#timeouts;
    const dialed = await dial(this.#target, this.#tls, Math.min(connectMs, totalMs), this.#cancel);
    const { explain } = dialed;
    const backend = authorityOf(this.#target);
    const limits = DEFAULT_ICAP_LIMITS;
    const silentCloseHint = CLOSE_HINTS[this.#target.scheme];
    const client = new IcapClient(dialed.socket, { backend, limits, silenceMs, silentCloseHint, explain });
    this.#current = { ...dialed, client };
    if (this.#deadline.aborted) client.close(this.#late());
    return this.#current;
  }

  [Symbol.dispose](): void {
    this.#cancel.removeEventListener('abort', this.#onCancel);
    this.#current?.client.leave();
  }

  readonly #onCancel = (): void => {
    this.#current?.client.close(this.#cancel.reason);
  };

  #late(): UpstreamError {
    const backend = authorityOf(this.#target);
    const { totalMs } = this.#timeouts;
    const detail =
      this.#current?.client.isUnheard === true
        ? `${backend} accepts connections and says nothing within ${totalMs} ms: ${SILENCE_HINTS[this.#target.scheme]}`
        : `no verdict from ${backend} within ${totalMs} ms, more with --timeout`;
    return new UpstreamError('ICAPGW_UPSTREAM_TIMEOUT', { backend, detail });
  }
}
