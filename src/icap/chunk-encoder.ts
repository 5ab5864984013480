/** Behind the data of every chunk. */
export const CHUNK_END: Buffer = Buffer.from('\r\n');

/** Ends a body, or a preview that the body goes on after. */
export const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n');

/** Ends a preview that held the whole body. */
export const LAST_CHUNK_IEOF: Buffer = Buffer.from('0; ieof\r\n\r\n');

/** The line before `bytes` bytes of data, which must not be 0: that would end the body. */
export function chunkStart(bytes: number): Buffer {
  return Buffer.from(`${bytes.toString(16)}\r\n`, 'latin1');
}

/** Ends the body of a 206: the original body goes on from its byte `from`. */
export function lastChunkUseOriginalBody(from: number): Buffer {
  return Buffer.from(`0; use-original-body=${from}\r\n\r\n`, 'latin1');
}
