/** Where one DER element lies in its buffer. */
export interface Tlv {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

export const TAG: {
  readonly integer: number;
  readonly oid: number;
  readonly utcTime: number;
  readonly generalizedTime: number;
  readonly sequence: number;
  readonly set: number;
} = { integer: 0x02, oid: 0x06, utcTime: 0x17, generalizedTime: 0x18, sequence: 0x30, set: 0x31 };

/** Reads the element at `offset`; undefined where it is malformed or reaches beyond `end`. Never looks inside it. */
export function readTlv(bytes: Uint8Array, offset: number, end: number = bytes.length): Tlv | undefined {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  // X.509 uses no tag number above 30 and DER no indefinite length.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || first === 0x80) return undefined;
  let valueStart = offset + 2;
  let length = first;
  if (first > 0x80) {
    const lengthBytes = first & 0x7f;
    if (lengthBytes > 4) return undefined;
    length = 0;
    for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + (bytes[valueStart + i] ?? 0);
    valueStart += lengthBytes;
  }
  const tlvEnd = valueStart + length;
  return tlvEnd <= end ? { tag, start: offset, valueStart, end: tlvEnd } : undefined;
}

/**
 * The elements directly inside `parent`, read one by one as they are asked for, so that looking at the first few of a
 * long list costs nothing for the rest. Yields undefined once, as the last, where the bytes are malformed.
 */
export function* childrenOf(bytes: Uint8Array, parent: Tlv): Generator<Tlv | undefined, void, undefined> {
  let offset = parent.valueStart;
  while (offset < parent.end) {
    const child = readTlv(bytes, offset, parent.end);
    yield child;
    if (child === undefined) return;
    offset = child.end;
  }
}

/** Milliseconds of a UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 has them; undefined for anything else. */
export function readTime(bytes: Buffer, tlv: Tlv): number | undefined {
  const text = bytes.toString('latin1', tlv.valueStart, tlv.end);
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  const isUtcTime = tlv.tag === TAG.utcTime;
  if (match === null || (!isUtcTime && tlv.tag !== TAG.generalizedTime)) return undefined;
  const [year = 0, month = 0, day, hour, minute, second] = match.slice(1).map(Number);
  if (isUtcTime !== (text.length === 13)) return undefined;
  // RFC 5280 4.1.2.5.1: two digits from 50 on belong to the last century.
  const century = isUtcTime ? (year >= 50 ? 1900 : 2000) : 0;
  return Date.UTC(century + year, month - 1, day, hour, minute, second);
}

/** Element `index` directly inside `parent`, of DER that node:crypto wrote or accepted; throws where there is none. */
export function elementAt(bytes: Uint8Array, parent: Tlv, index: number): Tlv {
  const element = [...childrenOf(bytes, parent)][index];
  if (element === undefined) throw new RangeError(`no element ${index} in the DER at ${parent.start}`);
  return element;
}

/** The element that is the whole of `bytes`, of DER that node:crypto wrote or accepted. */
export function outerElement(bytes: Uint8Array): Tlv {
  const outer = readTlv(bytes, 0);
  if (outer === undefined) throw new RangeError('no DER element');
  return outer;
}

/** Whether the bytes begin as a PKCS#12 file does. RFC 7292 4: version 3 and a ContentInfo; a PKCS#8 key is 0 or 1. */
export function isPkcs12(bytes: Uint8Array): boolean {
  const outer = readTlv(bytes, 0);
  if (outer?.tag !== TAG.sequence) return false;
  const [first, second] = childrenOf(bytes, outer);
  return first?.tag === TAG.integer && bytes[first.valueStart] === 3 && second?.tag === TAG.sequence;
}
