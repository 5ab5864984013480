import { parseSocketAddress } from './address.ts';
import { isIpv4, isIpv6 } from './cidr.ts';
import { INVALID, type Kind, scalar } from './kind.ts';

const DNS_PORT = 53;

/** A DNS server by its address, with a port where it is not 53; gives `10.0.0.1:53` and `[2001:db8::1]:53`. */
export const NAME_SERVER: Kind<string> = scalar({
  type: 'IP address[:port]',
  expected: 'the IP address of a name server such as 10.0.0.53, 127.0.0.1:5353 or "[2001:db8::53]:53"',
  parse(raw) {
    if (typeof raw !== 'string') return INVALID;
    if (isIpv4(raw)) return `${raw}:${DNS_PORT}`;
    if (isIpv6(raw)) return `[${raw}]:${DNS_PORT}`;
    const address = parseSocketAddress(raw);
    if (typeof address === 'string' || address.kind === 'unix' || address.port === 0) return INVALID;
    return isIpv4(address.host) || isIpv6(address.host) ? raw : INVALID;
  },
  write: (server) => server,
});
