import { IcapProtocolError } from '../errors.ts';
import { formatIcapUri, type IcapUri, parseIcapUri } from '../icap/uri.ts';

/** Where a probe goes. */
export interface ProbeTarget {
  readonly scheme: 'icap' | 'icaps';
  /** A name or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** With its query; undefined where the URL names none and the profile decides. */
  readonly path: string | undefined;
}

const DEFAULT_PORT = { icap: 1344, icaps: 11_344 } as const;
const WITHOUT_PATH = /^[^/]*:\/\/[^/?]*$/;

/** Reads `icap://HOST[:PORT][/PATH]` or the same with `icaps`; undefined for anything else. */
export function parseProbeTarget(text: string): ProbeTarget | undefined {
  try {
    const { scheme, host, port = DEFAULT_PORT[scheme], path, query } = parseIcapUri(text, 0);
    return {
      scheme,
      host: host.replace(/^\[(.*)\]$/, '$1'),
      port,
      path: WITHOUT_PATH.test(text) ? undefined : path + query,
    };
  } catch (error) {
    if (error instanceof IcapProtocolError) return undefined;
    throw error;
  }
}

/** `host:port`, with brackets around an IPv6 address. */
export function authorityOf({ host, port }: ProbeTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The URI for a request line. */
export function uriOf(target: ProbeTarget, path: string): string {
  const [pathOnly = '/', ...query] = path.split('?');
  const uri: IcapUri = {
    scheme: target.scheme,
    host: target.host.includes(':') ? `[${target.host}]` : target.host,
    port: target.port,
    path: pathOnly,
    query: query.length === 0 ? '' : `?${query.join('?')}`,
  };
  return formatIcapUri(uri);
}
