import type { IcapLimits } from './limits.ts';
import { MessageReader } from './message-reader.ts';
import { STRICT } from './profile.ts';
import { parseRequestHead, type RequestHead } from './request-head.ts';

/** Reads what a client sends. Up to two blank lines before a request are skipped, as HTTP servers do. */
export function createRequestReader(limits: IcapLimits): MessageReader<RequestHead> {
  return new MessageReader<RequestHead>({
    profile: STRICT,
    limits,
    strayLineEnds: 2,
    parseHead: (block, base) => parseRequestHead(block, base, STRICT, limits),
    previewBytes: (head) => (head.encapsulated.body === 'opt-body' ? undefined : head.preview),
    knowsIeof: true,
  });
}
