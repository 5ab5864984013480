import { IcapProtocolError } from '../errors.ts';

/** An absolute ICAP URI in canonical form. */
export interface IcapUri {
  readonly scheme: 'icap' | 'icaps';
  /** Lower case; an IPv6 address keeps its brackets. */
  readonly host: string;
  /** Undefined where the URI names none. */
  readonly port: number | undefined;
  /** Begins with `/`; dot segments, repeated slashes and needless escapes are resolved. */
  readonly path: string;
  /** With its `?`, or empty. Services take arguments here, so it is left as it came. */
  readonly query: string;
}

// Userinfo and fragment are recognised to be left out: neither means anything in ICAP.
const URI =
  /^(icaps?):\/\/(?:[^@/?#]*@)?(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::(\d{0,5}))?(\/[^?#]*)?(\?[^#]*)?(?:#.*)?$/i;
const VISIBLE = /^[\x21-\x7e]+$/;
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** The URI of a request line. `offset` is where it stands in the message. */
export function parseIcapUri(text: string, offset: number): IcapUri {
  const match = VISIBLE.test(text) ? URI.exec(text) : null;
  const [, scheme = '', host = '', portText = '', path = '/', query = ''] = match ?? [];
  const port = portText === '' ? undefined : Number(portText);
  if (match === null || (port !== undefined && (port === 0 || port > 65_535))) {
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_START_LINE', { offset, detail: 'the URI is not icap://host/path' });
  }
  return {
    scheme: scheme.toLowerCase() === 'icaps' ? 'icaps' : 'icap',
    host: host.toLowerCase(),
    port,
    path: canonicalPath(path),
    query,
  };
}

/** The text for a request line. */
export function formatIcapUri(uri: IcapUri): string {
  const port = uri.port === undefined ? '' : `:${uri.port}`;
  return `${uri.scheme}://${uri.host}${port}${uri.path}${uri.query}`;
}

function canonicalPath(path: string): string {
  if (!path.includes('%') && !path.includes('//') && !path.includes('/.')) return path;
  const decoded = path.replaceAll(/%([0-9A-Fa-f]{2})/g, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(character) ? character : encoded.toUpperCase();
  });
  const segments = decoded.split('/');
  const last = segments.at(-1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const isFolder = kept.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${kept.join('/')}${isFolder ? '/' : ''}`;
}
