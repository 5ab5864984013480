import { addressBytes, addressText } from './proxy-protocol/ip-address.ts';

/** A kind of IPv6 address that stands for an IPv4 one, or leads to it. */
interface Wrapping {
  readonly prefix: Buffer;
  /** Where the four bytes may be. */
  readonly places: readonly (readonly [number, number, number, number])[];
  readonly isInverted: boolean;
}

const LAST = [12, 13, 14, 15] as const;

const WRAPPINGS: readonly Wrapping[] = [
  // RFC 4291 2.5.5.1: IPv4-compatible.
  wrapping('000000000000000000000000', [LAST]),
  // RFC 2765 2.1: IPv4-translated.
  wrapping('0000000000000000ffff0000', [LAST]),
  // RFC 6052 2.1: NAT64 by the well-known prefix.
  wrapping('0064ff9b0000000000000000', [LAST]),
  // RFC 8215: NAT64 within a site, which chooses a length of RFC 6052 2.2; bits 64 to 71 are left out there.
  wrapping('0064ff9b0001', [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], LAST]),
  // RFC 3056 2: 6to4, the router of a site.
  wrapping('2002', [[2, 3, 4, 5]]),
  // RFC 4380 4: Teredo, the client as its NAT shows it. The server in it is somebody else.
  { ...wrapping('20010000', [LAST]), isInverted: true },
];

/** What the text of such an address begins with: others need not be looked at. Neither `::` nor `::1` is one. */
const BEGINNING = /^(?:::(?!1?$)|64:ff9b:|2001:0?:|2002:)/;

/**
 * The IPv4 addresses that an IPv6 address, in its one spelling, leads to by NAT64, 6to4, Teredo or an old way to write them: none as a rule,
 * and several where the address does not tell which. ISATAP is not among them: whoever has an IPv6 network can give
 * himself any such address in it.
 */
export function wrappedIpv4(address: string): readonly string[] {
  if (!BEGINNING.test(address)) return [];
  const bytes = addressBytes(address);
  const found = WRAPPINGS.find(({ prefix }) => bytes.subarray(0, prefix.length).equals(prefix));
  if (found === undefined) return [];
  const { places, isInverted } = found;
  const flip = isInverted ? 0xff : 0;
  return places.map((place) => addressText(Buffer.from(place.map((at) => bytes.readUInt8(at) ^ flip))));
}

function wrapping(prefix: string, places: Wrapping['places']): Wrapping {
  return { prefix: Buffer.from(prefix, 'hex'), places, isInverted: false };
}
