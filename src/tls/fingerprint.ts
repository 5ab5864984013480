/**
 * A SHA-256 as people write it (hex with or without colons, base64, with `sha256:`, `SHA256:` or `sha256//` in front)
 * as lower-case hex without separators, to compare with `CertificateSummary`. Undefined where it is none.
 */
export function parseSha256(text: string): string | undefined {
  const digest = text.trim().replace(/^sha256(?::|\/{1,2})/i, '');
  const hex = digest.replaceAll(':', '');
  if (/^[0-9a-f]{64}$/i.test(hex)) return hex.toLowerCase();
  return /^[A-Za-z0-9+/]{43}=?$/.test(digest) ? Buffer.from(digest, 'base64').toString('hex') : undefined;
}
