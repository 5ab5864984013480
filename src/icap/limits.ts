/** Everything a peer can make this program keep or count. Reaching a limit is fine, one above it is a protocol error. */
export interface IcapLimits {
  /** One header block with its blank line: the ICAP head, or one encapsulated HTTP header block. */
  readonly headBytes: number;
  /** One line of an ICAP head, without its line end. */
  readonly lineBytes: number;
  readonly fieldCount: number;
  readonly uriBytes: number;
  /** From the first `;` of a chunk-size line to its end. */
  readonly chunkExtensionBytes: number;
  /** A trailer block with its blank line, after the chunks or after the message. */
  readonly trailerBytes: number;
  /** A whole body; `Number.MAX_SAFE_INTEGER` means no limit. */
  readonly bodyBytes: number;
}

/** Above what any known ICAP client or server sends, below what would hurt with thousands of connections. */
export const DEFAULT_ICAP_LIMITS: IcapLimits = {
  headBytes: 64 * 1024,
  lineBytes: 16 * 1024,
  fieldCount: 256,
  uriBytes: 8 * 1024,
  chunkExtensionBytes: 256,
  trailerBytes: 8 * 1024,
  bodyBytes: Number.MAX_SAFE_INTEGER,
};
