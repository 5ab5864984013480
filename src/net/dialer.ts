import { type OnReadOpts, connect as openSocket, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { ProgramAddress, SocketAddress, TargetAddress } from '../config/config.ts';
import { type ErrorCode, UpstreamError } from '../errors.ts';
import { type HandshakeProblem, problemOfError } from '../tls/handshake-failure.ts';
import type { BackendHandshake, BackendIdentity } from './backend-identity.ts';
import { type Program, type ProgramLaunch, startProgram } from './program.ts';

export interface DialOptions {
  readonly address: TargetAddress;
  /** For errors and logs. */
  readonly addressText: string;
  /** For the backend to accept. Infinity: no deadline. */
  readonly timeoutMs: number;
  /** For TLS, where there is one, from then on. Infinity: no deadline. */
  readonly handshakeTimeoutMs: number;
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
  /** What a program is started with, where the address is one. */
  readonly launch?: () => ProgramLaunch;
}

export interface DialHandlers {
  /**
   * The socket's owner is the caller; it has no listeners left. `raw`: what is below its TLS, else itself. `program`: what
   * is at the other end, where the address is one; it may outlive its socket.
   */
  readonly onConnect: (socket: Socket, raw: Socket, program: Program | undefined) => void;
  /** Told once; nothing is left open. `refusal`: what was wrong with TLS, where that was it. */
  readonly onFail: (error: UpstreamError, refusal?: BackendRefusal) => void;
}

/** Why there is no TLS with a backend. */
export interface BackendRefusal extends HandshakeProblem {
  /** Whom the certificate that was shown names. */
  readonly subject: string | undefined;
}

const NO_LAUNCH: ProgramLaunch = { facts: {}, awake: Promise.resolve() };

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
  #handshake: BackendHandshake | undefined;
  #program: Program | undefined;
  #isOver = false;

  constructor(options: DialOptions, handlers: DialHandlers) {
    this.#options = options;
    this.#handlers = handlers;
  }

  start(): void {
    const { address } = this.#options;
    if (address.kind === 'exec') {
      this.#startProgram(address);
      return;
    }
    this.#startTimer(this.#options.timeoutMs, 'accept');
    const socket = openSocket(connectOptions(address, this.#options));
    this.#socket = socket;
    socket.on('error', this.#onError);
    socket.on('connect', this.#onConnect);
  }

  #startProgram(address: ProgramAddress): void {
    const { launch = () => NO_LAUNCH, identity, onread } = this.#options;
    const isWanted = (): boolean => !this.#isOver;
    startProgram(address, launch(), { onread: identity === undefined ? onread : undefined, isWanted }).then(
      (program) => {
        // Before it is started somebody may have given up; between that and here nobody can.
        if (program === undefined) return;
        this.#program = program;
        this.#socket = program.socket;
        program.socket.on('error', this.#onError);
        this.#onConnect();
      },
      (error: unknown) => this.#onError(error instanceof Error ? error : new Error(String(error))),
    );
  }

  abandon(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#hangUp();
  }

  readonly #onConnect = (): void => {
    const { preamble, identity, handshakeTimeoutMs } = this.#options;
    const raw = this.#socket as Socket;
    if (preamble !== undefined) raw.write(preamble);
    if (identity === undefined) {
      this.#succeed(raw, raw);
      return;
    }
    this.#handshake = identity.begin(raw, this.#options);
    this.#startTimer(handshakeTimeoutMs, 'finish TLS');
    const secured = this.#handshake.socket;
    this.#socket = secured;
    secured.on('error', this.#onError);
    secured.on('secureConnect', this.#onSecure);
    secured.on('close', this.#onClose);
  };

  readonly #onSecure = (): void => {
    const handshake = this.#handshake as BackendHandshake;
    const problem = handshake.judge();
    if (problem === undefined) this.#succeed(handshake.socket, handshake.raw);
    else this.#refuse({ ...problem, subject: handshake.subject });
  };

  readonly #onClose = (): void => {
    if (this.#startedAgain()) return;
    const detail = 'the backend closed the connection during the TLS handshake';
    this.#refuse({ reason: 'closed', detail, subject: undefined });
  };

  readonly #onError = (cause: Error): void => {
    if (this.#handshake === undefined) this.#fail('ICAPGW_UPSTREAM_CONNECT', cause.message, { cause });
    else if (!this.#startedAgain()) this.#refuse({ ...problemOfError(cause), subject: undefined }, cause);
  };

  /** Once more without the session, where the backend broke off over one. A program cannot be asked twice. */
  #startedAgain(): boolean {
    const socket = this.#socket;
    if (this.#isOver || this.#program !== undefined || socket === undefined) return false;
    if (this.#handshake?.refuseSession() !== true) return false;
    this.#handshake = undefined;
    this.#detach(socket);
    this.#hangUp();
    this.start();
    return true;
  }

  #detach(socket: Socket): void {
    socket.off('error', this.#onError);
    socket.off('connect', this.#onConnect);
    socket.off('secureConnect', this.#onSecure);
    socket.off('close', this.#onClose);
  }

  #succeed(socket: Socket, raw: Socket): void {
    this.#finish();
    this.#detach(socket);
    this.#handlers.onConnect(socket, raw, this.#program);
  }

  #refuse(refusal: BackendRefusal, cause?: Error): void {
    if (this.#isOver) return;
    this.#handshake?.forgetSession();
    this.#fail('ICAPGW_UPSTREAM_HANDSHAKE', refusal.detail, { cause, refusal });
  }

  #fail(
    code: ErrorCode,
    detail: string,
    { cause, refusal }: { readonly cause?: unknown; readonly refusal?: BackendRefusal } = {},
  ): void {
    if (this.#isOver) return;
    this.#finish();
    this.#hangUp();
    this.#handlers.onFail(new UpstreamError(code, { backend: this.#options.addressText, detail, cause }), refusal);
  }

  #hangUp(): void {
    this.#socket?.on('error', ignore);
    this.#socket?.destroy();
    this.#program?.stop();
  }

  #finish(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #startTimer(timeoutMs: number, awaited: string): void {
    clearTimeout(this.#timer);
    if (!Number.isFinite(timeoutMs)) return;
    const handshake = this.#handshake;
    const detail = `${this.#options.addressText} did not ${awaited} within ${timeoutMs} ms`;
    // Time is looked at before sockets are: what is there already counts, which with 0 ms is all that can.
    this.#timer = setTimeout(() => setImmediate(() => this.#late(detail, handshake)), timeoutMs);
  }

  #late(detail: string, handshake: BackendHandshake | undefined): void {
    // The connection came meanwhile, and TLS has time of its own.
    if (handshake !== this.#handshake) return;
    const refusal: BackendRefusal | undefined = handshake && { reason: 'timeout', detail, subject: undefined };
    this.#fail('ICAPGW_UPSTREAM_CONNECT_TIMEOUT', detail, refusal && { refusal });
  }
}

function connectOptions(
  address: SocketAddress,
  options: DialOptions,
): TcpNetConnectOpts | { path: string; allowHalfOpen: true } {
  const { noDelay, keepAliveMs, localAddress, identity, onread } = options;
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
