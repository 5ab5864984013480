import type { Socket } from 'node:net';
import { plainAddress } from '../net/proxy-protocol/ip-address.ts';
import type { ProxyEndpoint, ProxyEndpoints } from '../net/proxy-protocol/proxy-header.ts';

/** Who is at the other end, by what the socket or a trusted PROXY header says. */
export interface Peer {
  /** IPv4 in its own form also on dual-stack sockets; undefined on a unix socket. */
  readonly address: string | undefined;
  /** For logs: `192.0.2.1:40000`, `[2001:db8::1]:40000`, `unix`. */
  readonly text: string;
  /** Both ends, for a PROXY header to the backend; undefined where there are no addresses or nobody asked for them. */
  readonly endpoints: ProxyEndpoints | undefined;
}

/** Undefined when the client has already gone: its address went with it. */
export function peerOfSocket(
  socket: Socket,
  { isUnix, withEndpoints }: { readonly isUnix: boolean; readonly withEndpoints: boolean },
): Peer | undefined {
  if (isUnix) return { address: undefined, text: 'unix', endpoints: undefined };
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  const source = { address: plainAddress(remoteAddress), port: remotePort };
  if (!withEndpoints) return { address: source.address, text: endpointText(source), endpoints: undefined };
  const { localAddress, localPort } = socket;
  const destination = { address: plainAddress(localAddress ?? remoteAddress), port: localPort ?? 0 };
  return peerOfEndpoints({ source, destination });
}

export function peerOfEndpoints(endpoints: ProxyEndpoints): Peer {
  return { address: endpoints.source.address, text: endpointText(endpoints.source), endpoints };
}

function endpointText({ address, port }: ProxyEndpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
