import type { ProbeDocument } from './document.ts';

const LINE = Buffer.from('This is a harmless text, sent by icapgw probe.\n');
const BLOCK = Buffer.alloc(LINE.length * 1024, LINE);

/** A harmless text of any size, which is never in memory as a whole. */
export function harmlessDocument(sizeBytes: number): ProbeDocument {
  return {
    name: 'probe.txt',
    contentType: 'text/plain',
    sizeBytes,
    *read() {
      for (let left = sizeBytes; left > 0; left -= BLOCK.length) yield BLOCK.subarray(0, left);
    },
  };
}
