import type { Socket } from 'node:net';
import { GatherBuffer } from '../icap/gather-buffer.ts';
import { ClientHelloReader } from '../tls/client-hello.ts';

export interface ClientHelloHandlers {
  /** The socket is paused again, and all that was read is back in it. */
  readonly onHello: (serverName: string | undefined) => void;
  /** The client ended the connection before its hello was whole. */
  readonly onEnd: () => void;
}

/**
 * Reads what an accepted, paused socket brings until it is clear which server the client names. Returns what gives it
 * up; the deadline, and what closes the socket, are the caller's.
 */
export function readClientHello(socket: Socket, handlers: ClientHelloHandlers): () => void {
  const reader = new ClientHelloReader();
  const read = new GatherBuffer();
  const stop = (): void => {
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.pause();
  };
  const onEnd = (): void => {
    stop();
    handlers.onEnd();
  };
  const onData = (chunk: Buffer): void => {
    read.append(chunk, 0, chunk.length);
    const found = reader.push(chunk);
    if (found === undefined) return;
    stop();
    socket.unshift(read.take());
    handlers.onHello(found.serverName);
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.resume();
  return stop;
}
