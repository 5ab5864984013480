import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Bounds the connections of a server so that somebody who takes them all and says nothing keeps nobody out: when there
 * is no place left, the one that has been without a request for the longest gives way. Only where all of them have one
 * under way is the newcomer turned away.
 */
export function limitConnections(server: Server, limit: number): void {
  /** Those without a request, the longest waiting first. */
  const waiting = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket) => {
    count += 1;
    waiting.add(socket);
    socket.once('close', () => {
      count -= 1;
      waiting.delete(socket);
    });
    if (count <= limit) return;
    const [longest] = waiting;
    longest?.destroy();
  });
  server.on('request', ({ socket }, response) => {
    waiting.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) waiting.add(socket);
    });
  });
}
