import { DownstreamError } from '../../errors.ts';

/** One end of the connection that a PROXY header stands for. */
export interface ProxyEndpoint {
  /** An IPv4 or IPv6 address in its canonical text form. */
  readonly address: string;
  readonly port: number;
}

export interface ProxyEndpoints {
  readonly source: ProxyEndpoint;
  readonly destination: ProxyEndpoint;
}

/** What a PROXY header says about the client behind the sender. */
export interface ProxyHeader {
  /**
   * Undefined where the header names no TCP client (LOCAL, UNKNOWN, UNSPEC, datagrams, unix sockets): the real ends of
   * the connection then stand.
   */
  readonly endpoints: ProxyEndpoints | undefined;
  /** The server name that the client asked the sender for. Text from a stranger: escape it before it is shown. */
  readonly authority: string | undefined;
  readonly uniqueId: Buffer | undefined;
}

/** A header that leaves the real ends of the connection in place. */
export const NO_ENDPOINTS: ProxyHeader = { endpoints: undefined, authority: undefined, uniqueId: undefined };

/** The one error of this folder; `detail` says what is wrong with the bytes and what the operator can do. */
export function malformedHeader(peer: string, detail: string): DownstreamError {
  return new DownstreamError('ICAPGW_PROXY_HEADER', { peer, detail });
}
