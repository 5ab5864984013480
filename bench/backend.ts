/**
 * The ICAP server behind every peer, in a process of its own: it counts the bytes of a request whose size its first line
 * names, and answers from a buffer made beforehand. It is started with `fork` and sends its port.
 */
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { bodyBytesOf, type IcapExchange, icapExchange } from './icap-message.ts';
import { MessageEnd } from './message-end.ts';

const MAX_LINE_BYTES = 200;

const exchanges = new Map<number, IcapExchange>();

function exchangeFor(requestLine: string): IcapExchange {
  const bodyBytes = bodyBytesOf(requestLine);
  const exchange = exchanges.get(bodyBytes) ?? icapExchange(bodyBytes);
  exchanges.set(bodyBytes, exchange);
  return exchange;
}

/**
 * A load generator sends one request and waits for its reply, so a request begins where a reply has ended. It ends with
 * its last chunk: its length is not known, because a peer that understands ICAP writes the head anew.
 */
function serve(socket: Socket): void {
  const end = new MessageEnd();
  let start = '';
  let current: IcapExchange | undefined;
  socket.setNoDelay();
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    if (current === undefined) {
      start += chunk.toString('latin1', 0, MAX_LINE_BYTES);
      const lineEnd = start.indexOf('\r\n');
      if (lineEnd < 0) return;
      current = exchangeFor(start.slice(0, lineEnd));
      start = '';
      end.begin(current.hasBody);
    }
    if (!end.isReachedBy(chunk)) return;
    socket.write(current.reply);
    current = undefined;
  });
}

const server = createServer(serve);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  process.send?.({ kind: 'listening', port: (server.address() as AddressInfo).port });
});
// The parent is gone: nobody is left to serve.
process.on('disconnect', () => process.exit());
