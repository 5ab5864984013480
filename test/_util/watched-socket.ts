import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** How a connection ended, as its wire shows it; Node's TLS tells a close_notify from a bare FIN to nobody. */
export type WireEnd = 'close_notify' | 'fin' | 'reset';

/** A stream to speak TLS over, and how the other side ended it. */
export interface WatchedSocket {
  readonly stream: Duplex;
  /** Resolves when the other side has closed the TCP connection. */
  readonly ended: Promise<WireEnd>;
}

const ALERT = 21;
const APPLICATION_DATA = 23;
/** Level, description, the true type and the tag: no test sends data of two bytes. */
const TLS13_ALERT_BYTES = 19;

/** Puts a stream over a connection that is half-open by itself, and looks at the records that come in. */
export function watchSocket(raw: Socket): WatchedSocket {
  const { promise, resolve } = Promise.withResolvers<WireEnd>();
  const records = new RecordReader();
  const stream = new Duplex({
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
    records.note(chunk);
    if (!stream.destroyed && !stream.push(chunk)) raw.pause();
  });
  raw.on('end', () => {
    resolve(records.lastIsAlert ? 'close_notify' : 'fin');
    stream.push(null);
  });
  raw.on('error', () => resolve('reset'));
  raw.on('close', () => {
    // Nothing comes any more to a side that broke off itself.
    resolve('reset');
    stream.destroy();
  });
  return { stream, ended: promise };
}

class RecordReader {
  lastIsAlert = false;
  #pending: Buffer = Buffer.alloc(0);

  note(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) {
      const length = bytes.readUInt16BE(3);
      this.lastIsAlert = bytes[0] === ALERT || (bytes[0] === APPLICATION_DATA && length === TLS13_ALERT_BYTES);
      bytes = bytes.subarray(5 + length);
    }
    this.#pending = bytes;
  }
}
