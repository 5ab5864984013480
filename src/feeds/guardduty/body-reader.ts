import type { IncomingMessage } from 'node:http';

/** A whole body, or why there is none. `gone`: the sender left, nobody waits for an answer. */
export type BodyReading =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'too-slow' }
  | { readonly kind: 'gone' };

export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** Reads a body up to its limits; what is beyond them stays unread, and the request open. */
export function readBody(request: IncomingMessage, { maxBytes, timeoutMs }: BodyLimits): Promise<BodyReading> {
  const { promise, resolve } = Promise.withResolvers<BodyReading>();
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve({ kind: 'too-large' });
  const chunks: Buffer[] = [];
  let length = 0;
  const finish = (reading: BodyReading): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', onEnd).off('close', onClose);
    request.pause();
    resolve(reading);
  };
  const timer = setTimeout(() => finish({ kind: 'too-slow' }), timeoutMs);
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
    if (length > maxBytes) finish({ kind: 'too-large' });
    else chunks.push(chunk);
  };
  const onEnd = (): void => finish({ kind: 'read', bytes: Buffer.concat(chunks) });
  const onClose = (): void => finish({ kind: 'gone' });
  request.on('error', onClose).on('data', onData).on('end', onEnd).on('close', onClose);
  return promise;
}
