import { isIP, type OnReadOpts, connect as openSocket, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as openTls, type TLSSocket } from 'node:tls';
import type { Address } from '../config/config.ts';
import { type ErrorCode, UpstreamError } from '../errors.ts';
import type { BackendIdentity } from './backend-identity.ts';

export interface DialOptions {
  readonly address: Address;
  /** For errors and logs. */
  readonly addressText: string;
  /** For the whole way: TCP and, where there is one, TLS. Infinity: no deadline. */
  readonly timeoutMs: number;
  readonly noDelay: boolean;
  /** Idle time before TCP keep-alive probes; undefined: none. */
  readonly keepAliveMs: number | undefined;
  readonly localAddress: string | undefined;
  /** Sent before anything else, before TLS too: a PROXY header. */
  readonly preamble: Buffer | undefined;
  readonly identity: BackendIdentity | undefined;
  /** Whom the certificate must name, where the identity does not say. */
  readonly hostName: string;
  /** Reads into a buffer of the caller's from the first byte; only where there is no TLS to the backend. */
  readonly onread: OnReadOpts | undefined;
}

export interface DialHandlers {
  /** The socket's owner is the caller; it has no listeners left. */
  readonly onConnect: (socket: Socket) => void;
  /** Told once; nothing is left open. */
  readonly onFail: (error: UpstreamError) => void;
}

/** Opens a connection to a backend. Returns a function that gives up: neither handler is called after it. */
export function dial(options: DialOptions, handlers: DialHandlers): () => void {
  const attempt = new Attempt(options, handlers);
  attempt.start();
  return () => attempt.abandon();
}

/** As `dial`, for those who wait: rejects with the signal's reason when it is aborted. */
export function dialOnce(options: DialOptions, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abandon = dial(options, {
      onConnect: (socket) => {
        signal.removeEventListener('abort', onAbort);
        resolve(socket);
      },
      onFail: (error) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    });
    const onAbort = (): void => {
      abandon();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

class Attempt {
  readonly #options: DialOptions;
  readonly #handlers: DialHandlers;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isSecuring = false;
  #isOver = false;

  constructor(options: DialOptions, handlers: DialHandlers) {
    this.#options = options;
    this.#handlers = handlers;
  }

  start(): void {
    const { timeoutMs } = this.#options;
    if (Number.isFinite(timeoutMs)) {
      // Time is looked at before sockets are: what is there already counts, which with 0 ms is all that can.
      this.#timer = setTimeout(() => setImmediate(this.#late), timeoutMs);
    }
    const socket = openSocket(connectOptions(this.#options));
    this.#socket = socket;
    socket.on('error', this.#onError);
    socket.on('connect', this.#onConnect);
  }

  abandon(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#socket?.on('error', ignore);
    this.#socket?.destroy();
  }

  readonly #onConnect = (): void => {
    const { preamble, identity, hostName } = this.#options;
    const raw = this.#socket as Socket;
    if (preamble !== undefined) raw.write(preamble);
    if (identity === undefined) {
      this.#succeed(raw);
      return;
    }
    this.#isSecuring = true;
    const { context, serverName = hostName, checkServer, rejectUnauthorized } = identity;
    const secured = openTls({
      socket: raw,
      secureContext: context,
      // SNI has no place for addresses; they are still checked against the certificate.
      servername: isIP(serverName) === 0 ? serverName : '',
      rejectUnauthorized,
      checkServerIdentity: (_host, certificate) => checkServer(serverName, certificate),
    });
    this.#socket = secured;
    secured.on('error', this.#onError);
    secured.on('secureConnect', this.#onSecure);
    secured.on('close', this.#onClose);
  };

  readonly #late = (): void => this.#fail('ICAPGW_UPSTREAM_CONNECT_TIMEOUT', this.#timeoutText());

  readonly #onSecure = (): void => {
    const secured = this.#socket as TLSSocket;
    const refusal = this.#options.identity?.judge(secured);
    if (refusal === undefined) this.#succeed(secured);
    else this.#fail('ICAPGW_UPSTREAM_HANDSHAKE', refusal);
  };

  readonly #onClose = (): void => {
    this.#fail('ICAPGW_UPSTREAM_HANDSHAKE', 'the backend closed the connection during the TLS handshake');
  };

  readonly #onError = (cause: Error): void => {
    const code = this.#isSecuring ? 'ICAPGW_UPSTREAM_HANDSHAKE' : 'ICAPGW_UPSTREAM_CONNECT';
    this.#fail(code, cause.message, cause);
  };

  #succeed(socket: Socket): void {
    this.#finish();
    socket.off('error', this.#onError);
    socket.off('connect', this.#onConnect);
    socket.off('secureConnect', this.#onSecure);
    socket.off('close', this.#onClose);
    this.#handlers.onConnect(socket);
  }

  #fail(code: ErrorCode, detail: string, cause?: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#socket?.on('error', ignore);
    this.#socket?.destroy();
    this.#handlers.onFail(new UpstreamError(code, { backend: this.#options.addressText, detail, cause }));
  }

  #finish(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #timeoutText(): string {
    const { addressText, timeoutMs } = this.#options;
    return `${addressText} did not ${this.#isSecuring ? 'finish TLS' : 'accept'} within ${timeoutMs} ms`;
  }
}

function connectOptions(options: DialOptions): TcpNetConnectOpts | { path: string; allowHalfOpen: true } {
  const { address, noDelay, keepAliveMs, localAddress, identity, onread } = options;
  const readInto = onread !== undefined && identity === undefined && { onread };
  if (address.kind === 'unix') return { path: address.path, allowHalfOpen: true, ...readInto };
  return {
    host: address.host,
    port: address.port,
    allowHalfOpen: true,
    noDelay,
    ...(keepAliveMs !== undefined && { keepAlive: true, keepAliveInitialDelay: keepAliveMs }),
    ...(localAddress !== undefined && { localAddress }),
    ...readInto,
  };
}

/** A socket that is being destroyed may still report an error; it was told already. */
function ignore(): void {}
