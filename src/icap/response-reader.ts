import type { IcapLimits } from './limits.ts';
import { MessageReader } from './message-reader.ts';
import { LENIENT } from './profile.ts';
import { parseResponseHead, type ResponseHead } from './response-head.ts';

/** Reads what a backend answers. `methodOf` tells the method of the request that the next response belongs to. */
export function createResponseReader(limits: IcapLimits, methodOf: () => string): MessageReader<ResponseHead> {
  return new MessageReader<ResponseHead>({
    profile: LENIENT,
    limits,
    strayLineEnds: 0,
    parseHead: (block, base) => parseResponseHead(block, base, methodOf(), LENIENT, limits),
    previewBytes: () => undefined,
    knowsIeof: false,
  });
}
