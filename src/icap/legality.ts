/** Where a client stands in its transaction, which decides what it may be answered (RFC 3507 4.5, 4.6). */
export interface ClientPhase {
  /** `unanswered`: it waits for a word on its preview; `none`: it sent none; `continued`: it was told to go on. */
  readonly preview: 'unanswered' | 'none' | 'continued';
  readonly allow204: boolean;
  readonly allow206: boolean;
}

/** Whether a 204 is legal. One that is not makes squid fail the request, and sometimes the whole process. */
export function may204(phase: ClientPhase): boolean {
  return phase.preview === 'unanswered' || phase.allow204;
}

/** Whether a 206 is legal: inside a preview on `Allow: 206`, outside only on both. */
export function may206(phase: ClientPhase): boolean {
  return phase.allow206 && may204(phase);
}
