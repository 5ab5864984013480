import type { IncomingMessage } from 'node:http';
import { type Reply, refusal } from './admin-reply.ts';

interface Refused {
  readonly ok: false;
  readonly reply: Reply;
}

type RawBody = Refused | { readonly ok: true; readonly bytes: Buffer };
export type JsonBody = Refused | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> };

/** A name of a service and of a backend, or an address: anything longer is a mistake. */
const MAX_BODY_BYTES = 4 * 1024;

/** Reads the JSON object in a request, an empty one where there is no body. */
export async function readJsonBody(request: IncomingMessage): Promise<JsonBody> {
  const body = await readBody(request);
  if (!body.ok) return body;
  const { bytes } = body;
  if (bytes.length === 0) return { ok: true, value: {} };
  // A page of another site can send a form or a text without asking first, but nothing of this type.
  if (!/^application\/json *(?:;|$)/i.test(request.headers['content-type'] ?? '')) {
    return refused(415, 'the body must be JSON: say Content-Type: application/json');
  }
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (isObject(value)) return { ok: true, value };
  } catch {
    // It is no JSON at all, which is no worse than another kind of JSON.
  }
  return refused(400, 'the body must be a JSON object');
}

async function readBody(request: IncomingMessage): Promise<RawBody> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // Left to itself the loop would take the connection down with it, and the answer too.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) {
        return refused(413, `the body is larger than ${MAX_BODY_BYTES} bytes`, { Connection: 'close' });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (!request.destroyed) throw error;
    // Who left in the middle of a wish did not wish it, and hears no answer.
    return refused(400, 'the request ended before its body did');
  }
  return { ok: true, bytes: Buffer.concat(chunks) };
}

function refused(...refusalArguments: Parameters<typeof refusal>): Refused {
  return { ok: false, reply: refusal(...refusalArguments) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
