import type { LabIdentity } from './certificate-lab.ts';
import { certificates } from './certificates.ts';
import { startTunnelBackend, type TunnelBackend } from './e2e-tunnel.ts';

/** A backend that greets with a line that names it, and waits for the client to leave. */
export function startNamedBackend(name: string): Promise<TunnelBackend> {
  return startTunnelBackend((socket) => {
    socket.write(`served by ${name}\n`);
    socket.on('end', () => socket.end());
    socket.resume();
  });
}

export interface SniServiceOptions {
  readonly name: string;
  readonly identity: LabIdentity;
  readonly backend: TunnelBackend;
  /** Of `main`; without them the service listens. */
  readonly names?: readonly string[];
  readonly clientAuth?: object;
  readonly more?: object;
}

/** A tunnel service, with a listener of its own or behind that of `main`. */
export function sniService({ name, identity, backend, names, clientAuth, more }: SniServiceOptions): object {
  return {
    name,
    ...(names === undefined ? { listen: '127.0.0.1:0' } : { sni: { of: 'main', names } }),
    protocol: 'tunnel',
    tls: { cert: identity.combined, 'client-auth': clientAuth ?? { mode: 'none' } },
    health: { type: 'none' },
    backends: [{ address: backend.address }],
    ...more,
  };
}

/** The client authentication of a service that trusts the lab's CA. */
export function trustLab(): object {
  return { ca: certificates().ca.cert };
}
