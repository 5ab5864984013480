import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import type { LabIdentity } from './certificate-lab.ts';
import { type WireEnd, watchSocket } from './watched-socket.ts';

export interface WireClientOptions {
  /** The address of the service; 127.0.0.1 where nothing is said. */
  readonly host?: string;
  readonly identity?: LabIdentity;
  readonly version?: SecureVersion;
  /** Goes on writing when the other side has finished, and leaves the closing to the test. */
  readonly staysOpen?: boolean;
}

/** What tests do alike with a client of either mode. */
export interface DifferentialClient {
  readonly socket: Socket;
  /** All that came, decrypted. */
  readonly text: string;
  receive(text: string): Promise<void>;
  /** Resolves when the other side has closed the TCP connection. */
  ended(): Promise<WireEnd>;
}

/** A TLS client that watches the records under its own TLS. */
export class WireClient implements DifferentialClient {
  readonly socket: TLSSocket;
  /** All that was decrypted. */
  text = '';
  readonly #raw: Socket;
  readonly #end: Promise<WireEnd>;

  constructor(port: number, options: WireClientOptions) {
    const { host = '127.0.0.1', identity, version = 'TLSv1.3', staysOpen = false } = options;
    this.#raw = connectTcp({ host, port, allowHalfOpen: true });
    const { stream, ended } = watchSocket(this.#raw);
    this.#end = ended;
    this.socket = connectTls({
      socket: stream,
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ...(identity !== undefined && { cert: readFileSync(identity.cert), key: readFileSync(identity.key) }),
    });
    // node:tls ignores this option where it is given a socket.
    this.socket.allowHalfOpen = staysOpen;
    this.socket.on('error', () => this.socket.destroy());
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
  }

  get localPort(): number | undefined {
    return this.#raw.localPort;
  }

  async handshake(): Promise<void> {
    await once(this.socket, 'secureConnect');
  }

  async receive(text: string): Promise<void> {
    while (!this.text.includes(text)) await once(this.socket, 'data');
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
    const end = await this.#end;
    this.socket.destroy();
    this.#raw.destroy();
    return end;
  }
}
