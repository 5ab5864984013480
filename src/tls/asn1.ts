import type Forge from 'node-forge';
import { forge } from './forge.ts';

/** A node of the tree that node-forge turns into DER. */
export type Asn1 = Forge.asn1.Asn1;

export function sequence(...items: readonly Asn1[]): Asn1 {
  return sequenceOf(items);
}

/** A SEQUENCE of any number of elements; more than some ten thousand do not fit into arguments. */
export function sequenceOf(items: readonly Asn1[]): Asn1 {
  return universal('SEQUENCE', [...items]);
}

export function set(...items: readonly Asn1[]): Asn1 {
  return universal('SET', [...items]);
}

/** A context-specific wrapper around whole elements, `[number] EXPLICIT`. */
export function explicit(number: number, ...items: readonly Asn1[]): Asn1 {
  return contextSpecific(number, [...items]);
}

/** A context-specific primitive that replaces the tag of its content, `[number] IMPLICIT`. */
export function implicit(number: number, content: Uint8Array): Asn1 {
  return contextSpecific(number, binary(content));
}

export function oid(dotted: string): Asn1 {
  return universal('OID', forge().asn1.oidToDer(dotted).getBytes());
}

/** An INTEGER from its big-endian two's complement bytes. */
export function integer(bytes: Uint8Array): Asn1 {
  return universal('INTEGER', binary(bytes));
}

export function enumerated(value: number): Asn1 {
  return universal('ENUMERATED', binary(Uint8Array.of(value)));
}

/** DER writes TRUE as 255; FALSE is the default everywhere here and therefore left out. */
export function booleanTrue(): Asn1 {
  return universal('BOOLEAN', binary(Uint8Array.of(0xff)));
}

export function nullValue(): Asn1 {
  return universal('NULL', '');
}

export function utf8String(text: string): Asn1 {
  return universal('UTF8', binary(Buffer.from(text, 'utf8')));
}

export function octetString(content: Uint8Array): Asn1 {
  return universal('OCTETSTRING', binary(content));
}

/** A BIT STRING; `unusedBits` of its last byte do not count. */
export function bitString(content: Uint8Array, unusedBits: number): Asn1 {
  return universal('BITSTRING', binary(Buffer.from([unusedBits, ...content])));
}

/** RFC 5280 4.1.2.5: two-digit years through 2049, GeneralizedTime from 2050 on. */
export function time(timeMs: number): Asn1 {
  const date = new Date(timeMs);
  return date.getUTCFullYear() < 2050
    ? universal('UTCTIME', forge().asn1.dateToUtcTime(date))
    : universal('GENERALIZEDTIME', forge().asn1.dateToGeneralizedTime(date));
}

export function toDer(tree: Asn1): Buffer {
  return Buffer.from(forge().asn1.toDer(tree).getBytes(), 'latin1');
}

/** The tree of trusted DER: what this program or node:crypto wrote, or a CA certificate of the operator. */
export function fromDer(der: Uint8Array): Asn1 {
  return forge().asn1.fromDer(binary(der));
}

/** Elements make it constructed, bytes primitive. */
function universal(type: keyof typeof Forge.asn1.Type, value: string | Asn1[]): Asn1 {
  const { asn1 } = forge();
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type[type], Array.isArray(value), value);
}

function contextSpecific(number: number, value: string | Asn1[]): Asn1 {
  const { asn1 } = forge();
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, number, Array.isArray(value), value);
}

/** node-forge keeps bytes in strings, one character each. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
