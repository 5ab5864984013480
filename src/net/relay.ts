import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { problemOfError } from '../tls/handshake-failure.ts';
import { readIntoUserBuffer } from './user-buffer.ts';
import { TLS_RECORD_BYTES, WireWriter } from './wire-writer.ts';

/** Why a relay ended. `client` and `backend`: who finished first, both ends clean. */
export type RelayEnd =
  | 'client'
  | 'backend'
  | 'client-reset'
  | 'backend-reset'
  | 'idle-timeout'
  | 'close-timeout'
  | 'drain'
  | 'trust-withdrawn'
  | 'blocked'
  | 'error';

export interface RelayOptions {
  /** TLS or plain; handshake done, nobody else reads it. The relay owns it from `start` on. */
  readonly client: Socket;
  /**
   * Whether `client.write` copies what it is given before it returns, as TLS does: the backend's bytes may then come in
   * a buffer that is used again for the next read of any connection.
   */
  readonly clientCopies: boolean;
  /** How long one side may take to follow when the other has finished; 0: at once, Infinity: for ever. */
  readonly closeMs: number;
  /** Cuts the client's connection, with RST where the configuration wants that. */
  readonly cutClient: () => void;
  /** The same for the backend's. */
  readonly cutBackend: () => void;
  /** Called once, when both sockets are gone. */
  readonly onEnd: (end: RelayEnd) => void;
}

const NOTHING: Buffer = Buffer.alloc(0);
/** Reads after which a connection is worth a buffer of its own; an idle one stays small. */
const READS_BEFORE_BUFFER = 4;

/**
 * Carries bytes between one client and one backend, both ways at once, knowing nothing of what they mean. Each side may
 * finish on its own; a side that does not read makes the other wait, so that memory stays bounded.
 */
export class Relay {
  /** From the client. */
  bytesIn = 0;
  /** To the client. */
  bytesOut = 0;
  /** What was wrong with TLS to the backend, where that ended it. */
  tlsFailure: string | undefined;
  readonly #options: RelayOptions;
  readonly #client: Socket;
  #backend: Socket | undefined;
  /** To the backend, for what comes in bursts. */
  #writer: WireWriter | undefined;
  #reads = 0;
  #clientBuffer: Buffer | undefined;
  #clientEnded = false;
  #backendEnded = false;
  #isProgram = false;
  readonly #open: Set<Socket> = new Set();
  #end: RelayEnd | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #bytesAtClose = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#client = options.client;
  }

  /**
   * Begins. `backend` is connected and the relay owns it; its bytes come by `data` events or through `fromBackend`. A
   * `program` may end before it has read everything: what it has written is the whole answer all the same.
   */
  start(backend: Socket, readsBackend: 'events' | 'callback', kind: 'connection' | 'program' = 'connection'): void {
    this.#backend = backend;
    this.#writer = new WireWriter(backend, backend instanceof TLSSocket);
    this.#isProgram = kind === 'program';
    const client = this.#client;
    this.#open.add(client).add(backend);
    client.on('data', this.#fromClient);
    client.on('drain', () => backend.resume());
    client.on('end', this.#clientEnd);
    client.on('error', () => this.#broken('client-reset'));
    client.on('close', () => this.#closed(client));
    if (readsBackend === 'events') backend.on('data', this.#backendEvent);
    backend.on('drain', () => client.resume());
    backend.on('end', this.#backendEnd);
    backend.on('error', this.#backendError);
    backend.on('close', () => this.#closed(backend));
    // A side may have gone between the last step of setting up and now: its events are over then.
    if (client.destroyed) this.#lostBeforeStart(client, 'client-reset');
    else if (backend.destroyed) this.#lostBeforeStart(backend, 'backend-reset');
    else if (client.readableEnded) this.#clientEnd();
    // It was accepted paused, and no listener resumes what was paused on purpose.
    client.resume();
  }

  /** Takes bytes that were read into a shared buffer. Returns false when the client cannot take more for now. */
  fromBackend(chunk: Buffer): boolean {
    this.bytesOut += chunk.length;
    const client = this.#client;
    // A write that has to wait keeps its bytes where they are, and there the next read would overwrite them.
    const isCopied = this.#options.clientCopies && client.writableLength === 0;
    return client.write(isCopied ? chunk : Buffer.from(chunk));
  }

  /** Ends both sides now. */
  cut(end: RelayEnd): void {
    this.#end = end;
    this.#options.cutClient();
    this.#options.cutBackend();
  }

  readonly #backendEvent = (chunk: Buffer): void => {
    this.bytesOut += chunk.length;
    if (!this.#client.write(chunk)) this.#backend?.pause();
  };

  readonly #fromClient = (chunk: Buffer): void => {
    this.bytesIn += chunk.length;
    const backend = this.#backend;
    if (backend?.write(chunk) === false && !backend.destroyed) this.#client.pause();
    this.#reads += 1;
    if (this.#reads === READS_BEFORE_BUFFER) {
      readIntoUserBuffer(this.#client, { nextBuffer: this.#nextBuffer, onData: this.#fromClientBuffer });
    }
  };

  readonly #fromClientBuffer = (chunk: Buffer): boolean => {
    this.bytesIn += chunk.length;
    const backend = this.#backend as Socket;
    const writer = this.#writer as WireWriter;
    if (chunk.length === TLS_RECORD_BYTES || !writer.isEmpty) {
      writer.add(chunk);
      return (chunk.length === TLS_RECORD_BYTES ? writer.hold() : writer.flush()) || backend.destroyed;
    }
    // Nobody takes what is for a program that has ended: it is read for the end that follows.
    const mayGoOn = backend.write(chunk) || backend.destroyed;
    // The kernel did not take all: the rest is still read from this buffer, so it is given up to the write.
    if (backend.writableLength > 0) this.#clientBuffer = undefined;
    return mayGoOn;
  };

  readonly #nextBuffer = (): Buffer => {
    this.#clientBuffer ??= Buffer.allocUnsafeSlow(TLS_RECORD_BYTES);
    return this.#clientBuffer;
  };

  readonly #clientEnd = (): void => {
    if (this.#clientEnded) return;
    this.#clientEnded = true;
    this.#end ??= 'client';
    this.#writer?.flush();
    this.#backend?.end();
    this.#startClosing(this.#backend);
  };

  readonly #backendEnd = (): void => {
    if (this.#backendEnded) return;
    this.#backendEnded = true;
    this.#end ??= 'backend';
    this.#client.end();
    this.#startClosing(this.#client);
  };

  /** `last`: the side that is still to be given what the finished one sent. */
  #startClosing(last: Socket | undefined): void {
    const { closeMs } = this.#options;
    if (this.#clientEnded && this.#backendEnded) return;
    if (closeMs === 0) {
      // What was received is delivered first, whatever the timeout.
      last?.once('finish', () => this.#finishNow());
    } else {
      this.#watchProgress();
    }
  }

  #watchProgress(): void {
    const { closeMs } = this.#options;
    if (this.#closeTimer !== undefined || closeMs === 0 || !Number.isFinite(closeMs)) return;
    this.#bytesAtClose = this.#bytesPassedOn;
    this.#closeTimer = setTimeout(this.#checkClosing, closeMs);
  }

  /** What was taken from one side and handed to the kernel for the other. */
  get #bytesPassedOn(): number {
    const waiting = this.#client.writableLength + (this.#backend?.writableLength ?? 0);
    return this.bytesIn + this.bytesOut - waiting;
  }

  /** The timeout is for a wait, not for the whole: it begins again while bytes move. */
  readonly #checkClosing = (): void => {
    const bytes = this.#bytesPassedOn;
    if (bytes === this.#bytesAtClose) {
      this.#end = 'close-timeout';
      if (this.#client.writableLength === 0) this.#finishNow();
      else this.cut('close-timeout');
      return;
    }
    this.#bytesAtClose = bytes;
    this.#closeTimer = setTimeout(this.#checkClosing, this.#options.closeMs);
  };

  /** Closes in good order: FIN to both, after a last close_notify where there is TLS. */
  #finishNow(): void {
    this.#writer?.flush();
    this.#client.destroySoon();
    this.#backend?.destroySoon();
  }

  /** What TLS refuses may be an attacker's, and must not look like the backend's own end to a client in clear. */
  readonly #backendError = (error: Error): void => {
    this.tlsFailure = tlsErrorOf(error);
    if (this.#isProgram && this.tlsFailure === undefined) this.#backendEnd();
    else this.#broken('backend-reset');
  };

  #broken(end: 'client-reset' | 'backend-reset'): void {
    this.#end ??= end;
    if (end === 'client-reset') {
      this.#writer?.flush();
      this.#backend?.destroy();
      return;
    }
    // What the backend sent before it broke off is the client's: a server that answers early and closes ends like
    // this. Without a close_notify the client can still tell that the answer may be cut.
    const client = this.#client;
    if (client.writableLength === 0) {
      this.#endClient();
      return;
    }
    // `drain` comes only after a write that was told to wait; this one is done when all before it are.
    client.write(NOTHING, () => this.#endClient());
    this.#watchProgress();
  }

  #endClient(): void {
    if (this.tlsFailure === undefined) this.#client.destroy();
    else this.#options.cutClient();
  }

  #closed(socket: Socket): void {
    // One that was lost before the start may still tell that it closes.
    if (!this.#open.delete(socket)) return;
    if (this.#open.size > 0) {
      // Half of a relay is of no use once the other half is gone altogether.
      // One that finished in good order may leave before all it sent is passed on.
      if (this.#client.destroyed && this.#backend?.destroyed === false) {
        this.#writer?.flush();
        if (!(this.#clientEnded && this.#backendEnded)) this.#backend.destroy();
      } else if (this.#backend?.destroyed === true && !this.#client.destroyed && !this.#backendEnded) {
        this.#broken('backend-reset');
      }
      return;
    }
    clearTimeout(this.#closeTimer);
    this.#clientBuffer = undefined;
    this.#options.onEnd(this.#end ?? 'error');
  }

  #lostBeforeStart(lost: Socket, end: 'client-reset' | 'backend-reset'): void {
    this.#open.delete(lost);
    this.#broken(end);
  }
}

/** In OpenSSL's words; undefined for what only is about the connection. */
function tlsErrorOf(error: Error): string | undefined {
  const code = 'code' in error ? String(error.code) : '';
  return /^ERR_(?:SSL|OSSL)/.test(code) || code === 'EPROTO' ? problemOfError(error).detail : undefined;
}
