import { connect } from 'node:net';
import { startTcpServer } from './tcp-server.ts';

const RECORD_HEAD_BYTES = 5;
const LENGTH_OFFSET = 3;

/** A path to a TLS server on this machine that reads what it carries from the outside. */
export interface RecordingPath extends AsyncDisposable {
  readonly port: number;
  /** Of each connection that its client has ended: the content type of the last TLS record that it sent, -1 for half a one. */
  readonly lastRecords: readonly number[];
}

/** Carries connections to `port` of this machine, unchanged. */
export async function startRecordingPath(port: number): Promise<RecordingPath> {
  const lastRecords: number[] = [];
  const path = await startTcpServer(
    (client) => {
      const server = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
      const sent: Buffer[] = [];
      client.on('data', (data: Buffer) => sent.push(data));
      client.once('end', () => lastRecords.push(lastTypeOf(Buffer.concat(sent))));
      client.pipe(server).pipe(client);
      client.once('close', () => server.destroy());
      server.on('error', () => client.destroy());
    },
    { allowHalfOpen: true, noDelay: true },
  );
  return { port: path.port, lastRecords, [Symbol.asyncDispose]: () => path[Symbol.asyncDispose]() };
}

function lastTypeOf(bytes: Buffer): number {
  let type = -1;
  let at = 0;
  while (at + RECORD_HEAD_BYTES <= bytes.length) {
    type = bytes.readUInt8(at);
    at += RECORD_HEAD_BYTES + bytes.readUInt16BE(at + LENGTH_OFFSET);
  }
  return at === bytes.length ? type : -1;
}
