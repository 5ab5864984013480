import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';

const RECORD_HEADER_BYTES = 5;

/** What node:tls sends first: one record. */
export async function clientHello(options: ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      resolve(chunk);
      done();
    },
  });
  const tls = connect({ socket, ...options });
  tls.on('error', () => {});
  const hello = await promise;
  tls.destroy();
  return hello;
}

/** The same message in records of at most so many bytes. */
export function inRecords(hello: Buffer, bytes: number): Buffer {
  const message = hello.subarray(RECORD_HEADER_BYTES);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytes) {
    const part = message.subarray(at, at + bytes);
    const header = Buffer.from(hello.subarray(0, RECORD_HEADER_BYTES));
    header.writeUInt16BE(part.length, 3);
    records.push(header, part);
  }
  return Buffer.concat(records);
}
