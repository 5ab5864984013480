import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CHUNK_END, chunkStart, LAST_CHUNK } from '../../src/icap/chunk-encoder.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { serializeRequest, serializeResponse } from '../../src/icap/serialize.ts';
import { startTcpServer, type TcpServer } from './tcp-server.ts';

const BLOCK_BYTES = 64 * 1024;
const HTTP = Buffer.from('POST http://www.example/bulk HTTP/1.1\r\nHost: www.example\r\n\r\n');
const PARTS = { sections: [{ part: 'req-hdr', bytes: HTTP }], body: 'req-body' } as const;
const END = LAST_CHUNK.toString('latin1');
const OPTIONS = serializeResponse(200, 'OK', [{ name: 'Methods', value: 'REQMOD' }], {
  sections: [],
  body: 'null-body',
});
const ANSWER = serializeResponse(200, 'OK', [{ name: 'ISTag', value: '"bulk"' }], PARTS);

/** An ICAP server that sends a body back while it arrives, and reads no more of it than it can send. For `startBulkUpload`. */
export function startBulkServer(): Promise<TcpServer> {
  return startTcpServer(serve);
}

function serve(socket: Socket): void {
  let head = Buffer.alloc(0);
  let isInBody = false;
  let tail = '';
  // The chunks that come are the chunks that go.
  const pass = (bytes: Buffer): void => {
    if (bytes.length === 0) return;
    if (!socket.write(bytes)) socket.pause();
    tail = (tail + bytes.subarray(-END.length).toString('latin1')).slice(-END.length);
    if (tail === END) isInBody = false;
  };
  socket.on('drain', () => socket.resume());
  socket.on('data', (bytes: Buffer) => {
    if (isInBody) return pass(bytes);
    head = Buffer.concat([head, bytes]);
    if (head.includes('\r\n\r\n') && head.toString('latin1', 0, 7) === 'OPTIONS') {
      socket.end(OPTIONS);
      return;
    }
    const at = head.indexOf(HTTP);
    if (at === -1) return;
    const rest = head.subarray(at + HTTP.length);
    head = Buffer.alloc(0);
    tail = '';
    isInBody = true;
    socket.write(ANSWER);
    pass(rest);
  });
}

/** One body on its way to a server and back. */
export interface BulkUpload {
  /** Bytes of it that have come back. */
  readonly receivedBytes: number;
  /** Until `resume` nothing more is read. */
  pause(): void;
  resume(): void;
  /** Resolves when all of it is back; rejects when the connection ends before, or another byte comes back than was sent. */
  readonly done: Promise<void>;
}

/** Sends so many bytes, a multiple of 16 MiB, made as they go, and reads what comes back meanwhile. */
export function startBulkUpload(port: number, path: string, bytes: number): BulkUpload {
  const socket = connect({ host: '127.0.0.1', port });
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const reader = createResponseReader(DEFAULT_ICAP_LIMITS, () => 'REQMOD');
  let receivedBytes = 0;
  const check = (data: Buffer): void => {
    // The first byte of each block tells which one it is.
    const first = Math.ceil(receivedBytes / BLOCK_BYTES) * BLOCK_BYTES;
    for (let at = first; at < receivedBytes + data.length; at += BLOCK_BYTES) {
      if (data[at - receivedBytes] !== (at / BLOCK_BYTES) % 256) throw new Error(`another byte came back at ${at}`);
    }
    receivedBytes += data.length;
  };
  socket.on('data', (piece: Buffer) => {
    try {
      reader.push(piece);
      for (let event = reader.read(); event !== undefined; event = reader.read()) {
        if (event.type === 'head' && event.head.status !== 200) throw new Error(`answered with ${event.head.status}`);
        if (event.type === 'data') check(event.data);
        if (event.type === 'end') {
          resolve();
          socket.destroy();
          return;
        }
      }
    } catch (error) {
      reject(error);
      socket.destroy();
    }
  });
  socket.on('error', reject);
  socket.once('close', () => reject(new Error(`the connection ended after ${receivedBytes} bytes`)));
  send(socket, path, bytes).catch(reject);
  return {
    get receivedBytes() {
      return receivedBytes;
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    done,
  };
}

async function send(socket: Socket, path: string, bytes: number): Promise<void> {
  socket.write(serializeRequest('REQMOD', `icap://bulk${path}`, [{ name: 'Host', value: 'bulk' }], PARTS));
  const blocks = Array.from({ length: 256 }, (_, index) => {
    const data = Buffer.alloc(BLOCK_BYTES, 'x');
    data[0] = index;
    return Buffer.concat([chunkStart(BLOCK_BYTES), data, CHUNK_END]);
  });
  for (let sent = 0; sent < bytes; sent += BLOCK_BYTES * blocks.length) {
    for (const block of blocks) if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.write(LAST_CHUNK);
}
