import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Has CONNECT served as any other method. Node gives it to a listener of its own, as a socket without an HTTP server, and
 * closes it without a word where there is none. Its connection ends with the answer: what follows is no HTTP.
 */
export function answerConnect(
  server: Server,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  server.on('connect', (request, stream) => {
    const socket = stream as Socket;
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.destroySoon());
    serve(request, response);
  });
}
