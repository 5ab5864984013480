import type { Socket } from 'node:net';
import { DownstreamError, messageOf } from '../errors.ts';
import type { ProxyHeader } from '../net/proxy-protocol/proxy-header.ts';
import { ProxyHeaderParser } from '../net/proxy-protocol/proxy-header-parser.ts';

export interface ProxyHeaderHandlers {
  /** The socket is paused again and what followed the header is back in it. */
  readonly onHeader: (header: ProxyHeader) => void;
  /** The socket is still open. */
  readonly onFail: (detail: string) => void;
}

/** Reads the PROXY header off an accepted, paused socket. The deadline is the caller's. */
export function readProxyHeader(
  socket: Socket,
  options: { readonly version: 'v1' | 'v2'; readonly peer: string },
  handlers: ProxyHeaderHandlers,
): void {
  const parser = new ProxyHeaderParser(options);
  const finish = (): void => {
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.pause();
  };
  const onEnd = (): void => {
    finish();
    handlers.onFail('the connection ended before its PROXY header did');
  };
  const onData = (chunk: Buffer): void => {
    try {
      const result = parser.push(chunk);
      if (result === undefined) return;
      finish();
      if (result.rest.length > 0) socket.unshift(result.rest);
      handlers.onHeader(result.header);
    } catch (error) {
      if (!(error instanceof DownstreamError)) throw error;
      finish();
      handlers.onFail(messageOf(error));
    }
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.resume();
}
