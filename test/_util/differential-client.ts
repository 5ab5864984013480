import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import type { LabIdentity } from './certificate-lab.ts';

/** How a connection ended, as its wire shows it; Node's TLS tells a close_notify from a bare FIN to nobody. */
export type WireEnd = 'close_notify' | 'fin' | 'reset';

export interface WireClientOptions {
  /** The address of the service; 127.0.0.1 where nothing is said. */
  readonly host?: string;
  readonly identity?: LabIdentity;
  readonly version?: SecureVersion;
  /** Goes on writing when the other side has finished, and leaves the closing to the test. */
  readonly staysOpen?: boolean;
}

const ALERT = 21;
const APPLICATION_DATA = 23;
/** Level, description, the true type and the tag: no test sends data of two bytes. */
const TLS13_ALERT_BYTES = 19;

/** A TLS client that watches the records under its own TLS. */
export class WireClient {
  readonly tls: TLSSocket;
  /** All that was decrypted. */
  text = '';
  readonly #raw: Socket;
  readonly #end = Promise.withResolvers<WireEnd>();
  #pending: Buffer = Buffer.alloc(0);
  #lastIsAlert = false;

  constructor(port: number, options: WireClientOptions) {
    const { host = '127.0.0.1', identity, version = 'TLSv1.3', staysOpen = false } = options;
    this.#raw = connectTcp({ host, port, allowHalfOpen: true });
    this.tls = connectTls({
      socket: this.#watched(),
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ...(identity !== undefined && { cert: readFileSync(identity.cert), key: readFileSync(identity.key) }),
    });
    // node:tls ignores this option where it is given a socket.
    this.tls.allowHalfOpen = staysOpen;
    this.tls.on('error', () => this.tls.destroy());
    this.tls.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
  }

  get localPort(): number | undefined {
    return this.#raw.localPort;
  }

  async handshake(): Promise<void> {
    await once(this.tls, 'secureConnect');
  }

  async receive(text: string): Promise<void> {
    while (!this.text.includes(text)) await once(this.tls, 'data');
  }

  /** FIN, with no close_notify before it. */
  sendBareFin(): void {
    this.#raw.end();
  }

  sendReset(): void {
    this.#raw.resetAndDestroy();
  }

  /** Resolves when the other side has closed the TCP connection. */
  async ended(): Promise<WireEnd> {
    const end = await this.#end.promise;
    this.tls.destroy();
    this.#raw.destroy();
    return end;
  }

  #watched(): Duplex {
    const raw = this.#raw;
    const duplex = new Duplex({
      allowHalfOpen: true,
      read: () => void raw.resume(),
      write: (chunk, _encoding, done) => void raw.write(chunk, () => done()),
      final: (done) => void raw.end(() => done()),
      // TLS is through with the connection; how the other side closes it is still to be seen.
      destroy: (error, done) => {
        raw.end();
        raw.resume();
        done(error);
      },
    });
    raw.on('data', (chunk: Buffer) => {
      this.#noteRecords(chunk);
      if (!duplex.destroyed && !duplex.push(chunk)) raw.pause();
    });
    raw.on('end', () => {
      this.#end.resolve(this.#lastIsAlert ? 'close_notify' : 'fin');
      duplex.push(null);
    });
    raw.on('error', () => this.#end.resolve('reset'));
    raw.on('close', () => {
      // Nothing comes any more to a client that broke off itself.
      this.#end.resolve('reset');
      duplex.destroy();
    });
    return duplex;
  }

  #noteRecords(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) {
      const length = bytes.readUInt16BE(3);
      this.#lastIsAlert = bytes[0] === ALERT || (bytes[0] === APPLICATION_DATA && length === TLS13_ALERT_BYTES);
      bytes = bytes.subarray(5 + length);
    }
    this.#pending = bytes;
  }
}
