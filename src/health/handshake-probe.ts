import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { connect, TLSSocket } from 'node:tls';

/**
 * A full TLS handshake. Where the backend has TLS settings the dialer has made it by them already. Where it has none the
 * clients bring their own TLS through the tunnel, so there is nothing to judge a certificate by and any will do: this
 * asks whether the member is alive, not who it is.
 */
export async function handshakeProbe(stream: Duplex, stop: AbortSignal): Promise<undefined> {
  if (stream instanceof TLSSocket) return;
  const secure = connect({ socket: stream, rejectUnauthorized: false });
  secure.on('error', ignore);
  try {
    await once(secure, 'secureConnect', { signal: stop });
    secure.end();
    // Closing the bare stream now would overtake the last message of the handshake.
    await once(secure, 'finish', { signal: stop });
  } finally {
    secure.destroy();
  }
}

/** The first error reaches whoever waits; this is for those after it. */
function ignore(): void {}
