import { isIpv4, isIpv6 } from './cidr.ts';
import type { Address, BackendAddress, ProgramAddress, SocketAddress, WrittenAddress } from './config.ts';
import { INVALID, type Kind, scalar } from './kind.ts';
import type { Place } from './report.ts';
import { CONTROL_CHARACTER, show } from './show.ts';

const MAX_PORT = 65_535;
/** What a Unix socket's name may have on Linux, without the final zero byte. */
const MAX_UNIX_PATH_BYTES = 107;
const MAX_HOST_LENGTH = 253;
const SRV = 'srv:';
const EXEC = 'exec:';
const STDIO = '-';
const MAX_EXEC_LENGTH = 4096;
const EXPECTED = 'must be an address such as 10.0.0.5:1344, dlp.example:1344, [2001:db8::5]:1344';

/** Gives the address, or what is wrong with it as a sentence that follows the key. */
export function parseAddress(text: string): Address | string {
  if (text === STDIO) return { kind: 'stdio' };
  return text.startsWith(EXEC) ? parseProgram(text) : parseSocketAddress(text);
}

/** As `parseAddress`, for what cannot be a program. */
export function parseSocketAddress(text: string): SocketAddress | string {
  if (text.startsWith('unix:')) return parseUnix(text.slice('unix:'.length));
  if (text.startsWith(EXEC)) return 'exec: is a program; here an address is host:port or unix:/path';
  if (text.startsWith(SRV)) return 'srv: finds backends; an address to listen on is host:port or unix:/path';
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

/** As `parseAddress`, for what is connected to. */
export function parseBackendAddress(text: string): BackendAddress | string {
  if (text.startsWith(SRV)) return parseSrv(text.slice(SRV.length));
  if (text.startsWith(EXEC)) return parseProgram(text);
  const address = parseSocketAddress(text);
  if (typeof address === 'string' || address.kind !== 'tcp') return address;
  if (address.host === '') return `the host is missing: write 127.0.0.1:${address.port} for this machine`;
  return address.port === 0 ? 'the port must be from 1 to 65535, not 0' : address;
}

function parseSrv(name: string): BackendAddress | string {
  const [host = '', ...port] = name.split(':');
  if (!isHostName(host)) {
    return `must be srv: and the name of SRV records, such as srv:_icap._tcp.dlp.example, not ${show(SRV + name)}`;
  }
  return port.length === 0 ? { kind: 'srv', name } : `SRV records have ports of their own: write ${SRV}${host}`;
}

// As in stunnel's execArgs, blanks separate and nothing quotes them.
function parseProgram(text: string): ProgramAddress | string {
  const [program = '', ...args] = text
    .slice(EXEC.length)
    .split(/ +/)
    .filter((word) => word !== '');
  if (!program.startsWith('/') || text.length > MAX_EXEC_LENGTH || CONTROL_CHARACTER.test(text)) {
    return 'must be exec: and the absolute path of a program, such as "exec:/usr/bin/program program --option"';
  }
  return { kind: 'exec', program, args: args.length === 0 ? [program] : args };
}

function parseUnix(path: string): SocketAddress | string {
  if (!path.startsWith('/') || path.includes('\0'))
    return 'must be unix: and an absolute path, such as unix:/run/dlp.sock';
  return Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES
    ? `the path of a Unix socket may have at most ${MAX_UNIX_PATH_BYTES} bytes`
    : { kind: 'unix', path };
}

// Empty is a host here: `:1344` listens on every local address.
function isHost(host: string): boolean {
  return host === '' || isIpv4(host) || isHostName(host);
}

/** Whether it can be the name of a host, or, with underscores, of a service. */
export function isHostName(host: string): boolean {
  // Digits and dots alone would be a mistyped IPv4 address that the resolver reads in its own way.
  if (/^[\d.]+$/.test(host) || host.length > MAX_HOST_LENGTH) return false;
  return host
    .replace(/\.$/, '')
    .split('.')
    .every((label) => /^[\w](?:[\w-]{0,61}[\w])?$/.test(label));
}

/** Whether only this machine can connect there. */
export function isLocal(address: SocketAddress): boolean {
  if (address.kind === 'unix') return true;
  return address.host === '::1' || address.host === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(address.host);
}

/** The inverse of `parseAddress` and `parseBackendAddress`. */
export function formatAddress(address: Address | BackendAddress): string {
  if (address.kind === 'stdio') return STDIO;
  if (address.kind === 'unix') return `unix:${address.path}`;
  if (address.kind === 'srv') return `${SRV}${address.name}`;
  if (address.kind === 'exec') return formatProgram(address);
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function formatProgram({ program, args }: ProgramAddress): string {
  const isPlain = args.length === 1 && args[0] === program;
  return `${EXEC}${[program, ...(isPlain ? [] : args)].join(' ')}`;
}

/** What a backend is called that has no name of its own. Arguments of a program may be long, and are for the program. */
export function nameOfAddress({ address, text }: WrittenAddress): string {
  return address.kind === 'exec' ? `${EXEC}${address.program}` : text;
}

function readAddress<A extends Address | BackendAddress>(
  raw: unknown,
  place: Place,
  parse: (text: string) => A | string,
): A | typeof INVALID {
  if (typeof raw === 'number' || (typeof raw === 'string' && /^\d+$/.test(raw))) {
    place.error(
      `the host is missing: write 0.0.0.0:${raw} for every IPv4 address of this machine, or 127.0.0.1:${raw}`,
    );
    return INVALID;
  }
  const address = typeof raw === 'string' ? parse(raw) : `${EXPECTED}, not ${show(raw)}`;
  if (typeof address !== 'string') return address;
  place.error(address);
  return INVALID;
}

/** Where to listen, and nothing else. Port 0 lets the system choose. */
export const SOCKET_ADDRESS: Kind<SocketAddress> = {
  type: 'address',
  keys: [],
  read: (raw, place) => readAddress(raw, place, parseSocketAddress),
  write: formatAddress,
};

/** Where clients come from: an address to listen on, with port 0 for one that the system chooses; a program; `-`. */
export const LISTEN_ADDRESS: Kind<Address> = {
  type: 'address',
  keys: [],
  read: (raw, place) => readAddress(raw, place, parseAddress),
  write: formatAddress,
};

/** Where to connect to: with a host, and a port that is not 0, or by SRV records. */
export const BACKEND_ADDRESS: Kind<WrittenAddress> = {
  type: 'address',
  keys: [],
  read(raw, place) {
    const address = readAddress(raw, place, parseBackendAddress);
    return address === INVALID ? INVALID : { address, text: String(raw) };
  },
  write: (value) => value.text,
};

/** An address of this machine by number or by name, without a port. */
export const OWN_HOST: Kind<string> = scalar({
  type: 'host',
  expected: 'an IP address such as 10.0.0.1 or 2001:db8::1, or a name of this machine',
  parse: (raw) => (typeof raw === 'string' && (isIpv4(raw) || isIpv6(raw) || isHostName(raw)) ? raw : INVALID),
  write: (value) => value,
});
