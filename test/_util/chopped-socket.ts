import { connect } from 'node:net';
import { Duplex } from 'node:stream';

/** Cuts what a client sends first into pieces, each of which is sent in a packet of its own. */
export type Chop = (bytes: Buffer) => readonly Buffer[];

/** A connection for node:tls to speak over. Destroying it ends the connection. */
export function choppedSocket(port: number, chop: Chop): Duplex {
  const raw = connect({ host: '127.0.0.1', port, noDelay: true });
  let isFirst = true;
  const send = (pieces: readonly Buffer[], done: () => void): void => {
    const [piece, ...rest] = pieces;
    if (piece === undefined) done();
    else raw.write(piece, () => setImmediate(send, rest, done));
  };
  const socket = new Duplex({
    read: () => void raw.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      send(isFirst ? chop(chunk) : [chunk], () => done());
      isFirst = false;
    },
    final: (done) => void raw.end(() => done()),
    destroy: (error, done) => {
      raw.destroy();
      done(error);
    },
  });
  raw.on('data', (chunk) => socket.push(chunk));
  raw.on('end', () => socket.push(null));
  raw.on('error', () => raw.destroy());
  raw.on('close', () => socket.destroy());
  return socket;
}
