import { isIpv4, isIpv6 } from './cidr.ts';
import type { Address } from './config.ts';
import { INVALID, type Kind } from './kind.ts';
import type { Place } from './report.ts';
import { show } from './show.ts';

/** A backend's address, with the text a user knows it by. */
export interface WrittenAddress {
  readonly address: Address;
  readonly text: string;
}

const MAX_PORT = 65_535;
/** What a Unix socket's name may have on Linux, without the final zero byte. */
const MAX_UNIX_PATH_BYTES = 107;
const MAX_HOST_LENGTH = 253;
const EXPECTED = 'must be an address such as 10.0.0.5:1344, dlp.example:1344, [2001:db8::5]:1344';

/** Gives the address, or what is wrong with it as a sentence that follows the key. */
export function parseAddress(text: string): Address | string {
  if (text.startsWith('unix:')) return parseUnix(text.slice('unix:'.length));
  if (text.startsWith('srv:')) return 'SRV records are not supported yet; use a host name and a port';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/([^/]*)/i.exec(text);
  if (scheme !== null) return `must be host:port without a scheme or a path: write ${scheme[2] || '10.0.0.5:1344'}`;
  const colon = text.endsWith(']') ? -1 : text.lastIndexOf(':');
  const host = colon === -1 ? text : text.slice(0, colon);
  const bare = /^\[(.*)\]$/.exec(host)?.[1];
  if (bare === undefined && host.includes(':')) {
    if (isIpv6(host)) return `an IPv6 address stands in brackets: write "[${host}]${text.slice(colon)}"`;
    return isIpv6(text) ? `the port is missing: write "[${text}]:1344"` : `${EXPECTED}, not ${show(text)}`;
  }
  if (bare === undefined ? !isHost(host) : !isIpv6(bare.replace(/%[\w.-]{1,32}$/, ''))) {
    return `${EXPECTED}, not ${show(text)}`;
  }
  const port = colon === -1 ? '' : text.slice(colon + 1);
  if (port === '') return `the port is missing: write ${bare === undefined ? `${host}:1344` : `"${host}:1344"`}`;
  if (!/^\d{1,5}$/.test(port) || Number(port) > MAX_PORT)
    return `the port must be from 0 to ${MAX_PORT}, not ${show(port)}`;
  return { kind: 'tcp', host: bare ?? host, port: Number(port) };
}

function parseUnix(path: string): Address | string {
  if (!path.startsWith('/') || path.includes('\0'))
    return 'must be unix: and an absolute path, such as unix:/run/dlp.sock';
  return Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES
    ? `the path of a Unix socket may have at most ${MAX_UNIX_PATH_BYTES} bytes`
    : { kind: 'unix', path };
}

// Empty is a host here: `:1344` listens on every local address.
function isHost(host: string): boolean {
  if (host === '' || isIpv4(host)) return true;
  // Digits and dots alone would be a mistyped IPv4 address that the resolver reads in its own way.
  if (/^[\d.]+$/.test(host) || host.length > MAX_HOST_LENGTH) return false;
  return host
    .replace(/\.$/, '')
    .split('.')
    .every((label) => /^[\w](?:[\w-]{0,61}[\w])?$/.test(label));
}

/** The inverse of `parseAddress`. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function readAddress(raw: unknown, place: Place): Address | typeof INVALID {
  if (typeof raw === 'number' || (typeof raw === 'string' && /^\d+$/.test(raw))) {
    place.error(
      `the host is missing: write 0.0.0.0:${raw} for every IPv4 address of this machine, or 127.0.0.1:${raw}`,
    );
    return INVALID;
  }
  const address = typeof raw === 'string' ? parseAddress(raw) : `${EXPECTED}, not ${show(raw)}`;
  if (typeof address !== 'string') return address;
  place.error(address);
  return INVALID;
}

/** Where to listen. Port 0 lets the system choose. */
export const LISTEN_ADDRESS: Kind<Address> = {
  type: 'address',
  keys: [],
  read: readAddress,
  write: formatAddress,
};

/** Where to connect to: with a host, and a port that is not 0. */
export const BACKEND_ADDRESS: Kind<WrittenAddress> = {
  type: 'address',
  keys: [],
  read(raw, place) {
    const address = readAddress(raw, place);
    if (address === INVALID) return INVALID;
    if (address.kind === 'tcp' && (address.host === '' || address.port === 0)) {
      place.error(
        address.host === ''
          ? `the host is missing: write 127.0.0.1:${address.port} for this machine`
          : 'the port must be from 1 to 65535, not 0',
      );
      return INVALID;
    }
    return { address, text: String(raw) };
  },
  write: (value) => value.text,
};
