import { Server } from 'node:net';
import type { SharedSessions } from './shared-sessions.ts';

/**
 * What TLS sockets take for their server, and tell of sessions that the server's side has to remember: those of clients
 * that hold no ticket. `scope` must differ where a session must not be resumed; OpenSSL looks at the age itself.
 */
export function createServerSessions(shared: SharedSessions, scope: string): Server {
  const nameOf = (id: Buffer): string => `${scope} ${id.toString('hex')}`;
  // Never listens: node:tls wants an emitter of this type.
  const server = new Server();
  server.on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
    shared.set(nameOf(id), session);
    done();
  });
  server.on('resumeSession', (id: Buffer, done: (error: Error | null, session: Buffer | null) => void) => {
    done(null, shared.get(nameOf(id)) ?? null);
  });
  return server;
}
