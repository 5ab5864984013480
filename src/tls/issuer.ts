import type { X509Certificate } from 'node:crypto';
import { childrenOf, elementAt, outerElement, TAG, type Tlv } from './der.ts';
import { keyIdentifier } from './extension.ts';

/** How a certificate that signs others is named in them. */
export interface IssuerIdentity {
  /** Its subject, DER, byte for byte: encodings of the same text differ. */
  readonly name: Buffer;
  readonly keyIdentifier: Buffer;
}

const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;
const SUBJECT_KEY_IDENTIFIER = Buffer.from('551d0e', 'hex');

/** What a certificate or list signed by `issuer` must carry, so that OpenSSL recognises the issuer. */
export function issuerIdentity(issuer: X509Certificate): IssuerIdentity {
  const { raw } = issuer;
  const body = elementAt(raw, outerElement(raw), 0);
  const fields = [...childrenOf(raw, body)];
  const version = fields[0]?.tag === VERSION_TAG ? 1 : 0;
  const subject = elementAt(raw, body, version + 4);
  const extensions = fields.find((field) => field?.tag === EXTENSIONS_TAG);
  return {
    name: raw.subarray(subject.start, subject.end),
    keyIdentifier: (extensions && subjectKeyIdentifier(raw, extensions)) ?? keyIdentifier(issuer.publicKey),
  };
}

/** The identifier the certificate itself names, which other CAs need not derive as this program does. */
function subjectKeyIdentifier(raw: Buffer, extensions: Tlv): Buffer | undefined {
  for (const extension of childrenOf(raw, elementAt(raw, extensions, 0))) {
    if (extension?.tag !== TAG.sequence) continue;
    const [id, ...rest] = [...childrenOf(raw, extension)];
    const wrapper = rest.at(-1);
    if (!id || !wrapper || !raw.subarray(id.valueStart, id.end).equals(SUBJECT_KEY_IDENTIFIER)) continue;
    const inner = elementAt(raw, wrapper, 0);
    return raw.subarray(inner.valueStart, inner.end);
  }
  return undefined;
}
