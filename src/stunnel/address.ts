import { quote } from './report.ts';

/** An address in the notation of the YAML format, or what is wrong with the one that was read. */
export type AddressReading = { readonly address: string } | { readonly problem: string };

export interface AddressOptions {
  /** What a port alone means. */
  readonly defaultHost: string;
  /** 0 where the system may choose. */
  readonly lowestPort: 0 | 1;
}

const MAX_PORT = 65_535;
/** What a Unix socket's name may have on Linux, without the final zero byte. */
const MAX_UNIX_PATH_BYTES = 107;
const MAX_HOST_LENGTH = 253;

/** The few service names that stand in configurations of this kind; others depend on the machine's /etc/services. */
const WELL_KNOWN_PORTS: ReadonlyMap<string, number> = new Map([
  ['icap', 1344],
  ['icaps', 11344],
  ['https', 443],
]);

/**
 * Reads `[HOST:]PORT` or `/path` as stunnel does: the last colon separates, IPv6 needs no brackets. Brackets are
 * accepted too; ports that stunnel lets wrap around are not.
 */
export function readAddress(value: string, options: AddressOptions): AddressReading {
  if (value === '') return { problem: 'an address is missing: write HOST:PORT or PORT' };
  if (value.startsWith('/')) return readUnix(value);
  const colon = value.lastIndexOf(':');
  const host = readHost(value, colon, options.defaultHost);
  if (host === undefined) return { problem: `${quote(value)} is not an address; write HOST:PORT, PORT or ::1:PORT` };
  const port = readPort(value.slice(colon + 1), options.lowestPort);
  return typeof port === 'number' ? { address: `${host}:${port}` } : { problem: port };
}

function readUnix(path: string): AddressReading {
  if (Buffer.byteLength(path) <= MAX_UNIX_PATH_BYTES) return { address: `unix:${path}` };
  return { problem: `the path of a Unix socket may have at most ${MAX_UNIX_PATH_BYTES} bytes` };
}

function readHost(value: string, colon: number, defaultHost: string): string | undefined {
  if (colon < 0) return defaultHost;
  const written = value.slice(0, colon);
  if (written === '*') return defaultHost;
  const host = /^\[(.*)\]$/.exec(written)?.[1] ?? written;
  if (host.includes(':')) return isIpv6(host) ? `[${host}]` : undefined;
  return isHostName(written) ? written : undefined;
}

function readPort(text: string, lowest: number): number | string {
  const port = /^\d{1,15}$/.test(text) ? Number(text) : WELL_KNOWN_PORTS.get(text.toLowerCase());
  if (port === undefined) return `${quote(text)} is no port: write a number from ${lowest} to ${MAX_PORT}`;
  if (port >= lowest && port <= MAX_PORT) return port;
  return `the port must be from ${lowest} to ${MAX_PORT}, not ${text}`;
}

/** The runtime's own address parser is out of reach without its network modules; its URL parser knows IPv6 as well. */
export function isIpv6(host: string): boolean {
  const bare = host.replace(/%[\w.-]{1,32}$/, '');
  return /^[0-9a-f:.]{2,45}$/i.test(bare) && URL.canParse(`http://[${bare}]`);
}

/** Four decimal numbers; the shorter forms that resolvers accept are not worth the confusion. */
export function isIpv4(host: string): boolean {
  const parts = host.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

function isHostName(host: string): boolean {
  if (host.length > MAX_HOST_LENGTH || !/^[\w.-]+$/.test(host)) return false;
  // Digits and dots alone would be a mistyped IPv4 address that the resolver reads in its own way.
  return isIpv4(host) || !/^[\d.]+$/.test(host);
}
