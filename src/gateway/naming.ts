import type { TLSSocket } from 'node:tls';
import type { HandshakeProblem } from '../tls/handshake-failure.ts';

/** Which server a client asked for, among the services behind one listener. */
export interface Naming {
  /** The service that listens. */
  readonly primary: string;
  /** As the client wrote it; undefined where it named nobody. */
  readonly serverName: string | undefined;
  /** Whether a service goes by that name. */
  readonly isKnown: boolean;
  /** Whether that name, too, leads to the service that has the connection now. */
  readonly fits: (serverName: string | undefined) => boolean;
}

const MISLED: HandshakeProblem = { reason: 'protocol', detail: 'the server name changed within the handshake' };

/**
 * The name was read before OpenSSL did, to choose the service whose certificates and trust hold. What OpenSSL has read
 * must lead to the same one.
 */
export function judgeNaming(naming: Naming | undefined, socket: TLSSocket): HandshakeProblem | undefined {
  // A resumed session of TLS 1.2 does not tell the name. Nobody but the service that it began with has its key.
  const isNameless = naming === undefined || (socket.isSessionReused() && socket.getProtocol() !== 'TLSv1.3');
  if (isNameless) return undefined;
  // False where there was none, whatever the types say.
  const serverName: unknown = socket.servername;
  return naming.fits(typeof serverName === 'string' ? serverName : undefined) ? undefined : MISLED;
}
