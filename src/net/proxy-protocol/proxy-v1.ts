import { isIPv4, isIPv6 } from 'node:net';
import { canonicalIpv6, plainAddress } from './ip-address.ts';
import { malformedHeader, NO_ENDPOINTS, type ProxyEndpoints, type ProxyHeader } from './proxy-header.ts';

export const V1_PREFIX: Buffer = Buffer.from('PROXY ');
/** The longest line the specification knows, with its CRLF. */
export const V1_MAX_BYTES = 107;

// No sign, no leading zero: the specification forbids what could be read as octal.
const PORT = /^(0|[1-9]\d{0,4})$/;

/** Reads one line of version 1, given without its CRLF. */
export function parseProxyV1(line: string, peer: string): ProxyHeader {
  const [, family, ...rest] = line.split(' ');
  // Whatever follows UNKNOWN is to be ignored.
  if (family === 'UNKNOWN') return NO_ENDPOINTS;
  if (family !== 'TCP4' && family !== 'TCP6') {
    throw malformedHeader(peer, `version 1 knows TCP4, TCP6 and UNKNOWN, not ${JSON.stringify(family ?? '')}`);
  }
  const [source, destination, sourcePort, destinationPort, ...surplus] = rest;
  if (destinationPort === undefined || surplus.length > 0) {
    throw malformedHeader(peer, `${family} takes two addresses and two ports, each after exactly one space`);
  }
  const readAddress = family === 'TCP4' ? parseIpv4 : parseIpv6;
  return {
    ...NO_ENDPOINTS,
    endpoints: {
      source: { address: readAddress(source, peer), port: parsePort(sourcePort, peer) },
      destination: { address: readAddress(destination, peer), port: parsePort(destinationPort, peer) },
    },
  };
}

/** The line for a backend. Undefined endpoints (a unix socket) and mixed families become UNKNOWN. */
export function serializeProxyV1(endpoints: ProxyEndpoints | undefined): Buffer {
  return Buffer.from(`PROXY ${describe(endpoints)}\r\n`, 'latin1');
}

function describe(endpoints: ProxyEndpoints | undefined): string {
  if (endpoints === undefined) return 'UNKNOWN';
  const source = plainAddress(endpoints.source.address);
  const destination = plainAddress(endpoints.destination.address);
  if (isIPv4(source) !== isIPv4(destination)) return 'UNKNOWN';
  const family = isIPv4(source) ? 'TCP4' : 'TCP6';
  return `${family} ${source} ${destination} ${endpoints.source.port} ${endpoints.destination.port}`;
}

function parseIpv4(text: string | undefined, peer: string): string {
  if (text !== undefined && isIPv4(text)) return text;
  throw malformedHeader(peer, `${JSON.stringify(text)} is not an IPv4 address`);
}

function parseIpv6(text: string | undefined, peer: string): string {
  // A zone (fe80::1%eth0) means something on the sender's machine only.
  if (text !== undefined && isIPv6(text) && !text.includes('%')) return canonicalIpv6(text);
  throw malformedHeader(peer, `${JSON.stringify(text)} is not an IPv6 address`);
}

function parsePort(text: string | undefined, peer: string): number {
  if (text !== undefined && PORT.test(text) && Number(text) <= 65_535) return Number(text);
  throw malformedHeader(peer, `${JSON.stringify(text)} is not a port`);
}
