import { crc32c } from './crc32c.ts';
import { addressBytes, addressText, plainAddress } from './ip-address.ts';
import { malformedHeader, NO_ENDPOINTS, type ProxyEndpoints, type ProxyHeader } from './proxy-header.ts';

export const V2_SIGNATURE: Buffer = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Signature, version and command, family and transport, length of the rest. */
export const V2_FIXED_BYTES = 16;
/** Far above what senders use (a few hundred bytes, mostly TLS details), far below the 64 KiB of the length field. */
export const V2_MAX_PAYLOAD_BYTES = 4096;

const VERSION = 2;
const COMMAND = { local: 0, proxy: 1 } as const;
const FAMILY = { unspec: 0, inet: 1, inet6: 2, unix: 3 } as const;
const TRANSPORT = { unspec: 0, stream: 1, datagram: 2 } as const;
const TLV = { authority: 0x02, crc32c: 0x03, uniqueId: 0x05 } as const;
const UNIX_PATH_BYTES = 108;
const MAX_AUTHORITY_BYTES = 255;
const MAX_UNIQUE_ID_BYTES = 128;

/** The payload length of a header of which at least the fixed part is there. Throws where the fixed part is not valid. */
export function parseV2Length(fixed: Buffer, peer: string): number {
  const { version, command, family, transport } = readFixed(fixed);
  if (version !== VERSION) throw malformedHeader(peer, `the binary header says version ${version}, only 2 exists`);
  if (command > COMMAND.proxy) throw malformedHeader(peer, `command ${command} is not assigned`);
  if (family > FAMILY.unix) throw malformedHeader(peer, `address family ${family} is not assigned`);
  if (transport > TRANSPORT.datagram) throw malformedHeader(peer, `transport ${transport} is not assigned`);
  const length = fixed.readUInt16BE(14);
  if (length > V2_MAX_PAYLOAD_BYTES) {
    throw malformedHeader(peer, `${length} bytes are announced, at most ${V2_MAX_PAYLOAD_BYTES} are taken`);
  }
  return length;
}

/** Reads one whole header whose fixed part `parseV2Length` has taken. */
export function parseProxyV2(bytes: Buffer, peer: string): ProxyHeader {
  const { command, family, transport } = readFixed(bytes);
  // The sender's own connection (a health check), or a protocol it cannot name: the block is to be skipped unread.
  if (command === COMMAND.local || family === FAMILY.unspec) return NO_ENDPOINTS;
  const addressLength = family === FAMILY.inet ? 4 : family === FAMILY.inet6 ? 16 : UNIX_PATH_BYTES;
  const portLength = family === FAMILY.unix ? 0 : 2;
  const tlvOffset = V2_FIXED_BYTES + 2 * (addressLength + portLength);
  if (bytes.length < tlvOffset) {
    throw malformedHeader(peer, `${bytes.length - V2_FIXED_BYTES} bytes cannot hold the addresses of this family`);
  }
  const tlvs = parseTlvs(bytes, tlvOffset, peer);
  if (family === FAMILY.unix || transport !== TRANSPORT.stream) return { endpoints: undefined, ...tlvs };
  const destinationAt = V2_FIXED_BYTES + addressLength;
  const portsAt = destinationAt + addressLength;
  return {
    endpoints: {
      source: {
        address: addressText(bytes.subarray(V2_FIXED_BYTES, destinationAt)),
        port: bytes.readUInt16BE(portsAt),
      },
      destination: {
        address: addressText(bytes.subarray(destinationAt, portsAt)),
        port: bytes.readUInt16BE(portsAt + portLength),
      },
    },
    ...tlvs,
  };
}

/** The header for a backend. Undefined endpoints (a unix socket) and mixed families become UNSPEC. */
export function serializeProxyV2(endpoints: ProxyEndpoints | undefined): Buffer {
  if (endpoints === undefined) return frame(FAMILY.unspec, TRANSPORT.unspec, Buffer.alloc(0));
  const source = addressBytes(plainAddress(endpoints.source.address));
  const destination = addressBytes(plainAddress(endpoints.destination.address));
  if (source.length !== destination.length) return serializeProxyV2(undefined);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(endpoints.source.port, 0);
  ports.writeUInt16BE(endpoints.destination.port, 2);
  const family = source.length === 4 ? FAMILY.inet : FAMILY.inet6;
  return frame(family, TRANSPORT.stream, Buffer.concat([source, destination, ports]));
}

function frame(family: number, transport: number, payload: Buffer): Buffer {
  const fixed = Buffer.alloc(4);
  fixed[0] = (VERSION << 4) | COMMAND.proxy;
  fixed[1] = (family << 4) | transport;
  fixed.writeUInt16BE(payload.length, 2);
  return Buffer.concat([V2_SIGNATURE, fixed, payload]);
}

function readFixed(bytes: Buffer): { version: number; command: number; family: number; transport: number } {
  const versionAndCommand = bytes.readUInt8(12);
  const familyAndTransport = bytes.readUInt8(13);
  return {
    version: versionAndCommand >> 4,
    command: versionAndCommand & 0xf,
    family: familyAndTransport >> 4,
    transport: familyAndTransport & 0xf,
  };
}

function parseTlvs(bytes: Buffer, start: number, peer: string): Pick<ProxyHeader, 'authority' | 'uniqueId'> {
  let authority: string | undefined;
  let uniqueId: Buffer | undefined;
  for (let offset = start; offset < bytes.length; ) {
    if (bytes.length - offset < 3) throw malformedHeader(peer, 'a TLV is cut off in its type or length');
    const type = bytes.readUInt8(offset);
    const valueAt = offset + 3;
    offset = valueAt + bytes.readUInt16BE(offset + 1);
    if (offset > bytes.length) throw malformedHeader(peer, `the value of TLV ${hex(type)} is longer than the header`);
    const value = bytes.subarray(valueAt, offset);
    if (type === TLV.crc32c) verifyChecksum(bytes, valueAt, value, peer);
    if (type === TLV.authority) authority = bounded(value, MAX_AUTHORITY_BYTES, type, peer).toString('utf8');
    // Copied, so that a kept id does not keep the parser's buffer.
    if (type === TLV.uniqueId) uniqueId = Buffer.from(bounded(value, MAX_UNIQUE_ID_BYTES, type, peer));
  }
  return { authority, uniqueId };
}

function bounded(value: Buffer, maxBytes: number, type: number, peer: string): Buffer {
  if (value.length <= maxBytes) return value;
  throw malformedHeader(peer, `TLV ${hex(type)} has ${value.length} bytes, at most ${maxBytes} are allowed`);
}

function verifyChecksum(bytes: Buffer, valueAt: number, value: Buffer, peer: string): void {
  if (value.length !== 4) throw malformedHeader(peer, `a CRC32c has 4 bytes, not ${value.length}`);
  // The sum covers the whole header with its own field taken as zero.
  const zeroed = Buffer.from(bytes).fill(0, valueAt, valueAt + 4);
  if (crc32c(zeroed) !== value.readUInt32BE(0)) {
    throw malformedHeader(peer, 'the CRC32c does not fit: the header was damaged on its way');
  }
}

function hex(type: number): string {
  return `0x${type.toString(16).padStart(2, '0')}`;
}
