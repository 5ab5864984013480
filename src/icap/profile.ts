/** What one parser lets pass beyond the letter of RFC 3507. */
export interface ParserProfile {
  /** LF alone ends a line. */
  readonly bareLf: boolean;
  /** A field may go on in the next line (obs-fold); `X-Violations-Found` even without the leading blank. */
  readonly foldedFields: boolean;
  /** An encapsulated header section may be empty (`req-hdr=0, null-body=0`). */
  readonly emptySections: boolean;
  /** `Transfer-Encoding` at ICAP level, which frames nothing, is skipped instead of refused. */
  readonly transferEncoding: boolean;
}

/** For bytes from clients. What is ambiguous is refused: a backend could read it another way. */
export const STRICT: ParserProfile = {
  bareLf: false,
  foldedFields: false,
  emptySections: false,
  transferEncoding: false,
};

/** For bytes from backends, with the deviations that real servers are known for. */
export const LENIENT: ParserProfile = {
  bareLf: true,
  foldedFields: true,
  emptySections: true,
  transferEncoding: true,
};
