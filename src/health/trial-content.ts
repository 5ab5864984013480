import type { Duplex } from 'node:stream';
import type { ModMethod } from '../config/icap-config.ts';
import { UpstreamError } from '../errors.ts';
import { CHUNK_END, chunkStart, LAST_CHUNK } from '../icap/chunk-encoder.ts';
import type { Section } from '../icap/encapsulated.ts';
import { DEFAULT_ICAP_LIMITS, type IcapLimits } from '../icap/limits.ts';
import type { ResponseHead } from '../icap/response-head.ts';
import { createResponseReader } from '../icap/response-reader.ts';
import { serializeRequest } from '../icap/serialize.ts';

/** A document that a member is to judge. */
export interface TrialContent {
  readonly name: string;
  readonly contentType: string;
  /** Not empty. */
  readonly body: Buffer;
}

/** What came back. */
export interface ContentReply {
  readonly head: ResponseHead;
  readonly sent: readonly Section[];
  readonly received: readonly Section[];
  readonly bodyChanged: boolean;
}

/** Room for a block page with its pictures. */
const LIMITS: IcapLimits = { ...DEFAULT_ICAP_LIMITS, bodyBytes: 1024 * 1024 };

/** A name that nobody can own, for the URL of the document. */
const HOST = 'icapgw.invalid';

/** Sends one document to be judged, as an upload (REQMOD) or a download (RESPMOD), and reads the answer to its end. */
export async function sendContent(
  stream: Duplex,
  target: { readonly authority: string; readonly path: string; readonly method: ModMethod },
  content: TrialContent,
): Promise<ContentReply> {
  const { authority, path, method } = target;
  const sent = httpSections(method, content);
  const fields = [
    { name: 'Host', value: authority },
    { name: 'User-Agent', value: 'icapgw' },
    { name: 'Allow', value: '204' },
    { name: 'Connection', value: 'close' },
  ];
  const body = method === 'REQMOD' ? 'req-body' : 'res-body';
  const head = serializeRequest(method, `icap://${authority}${path}`, fields, { sections: sent, body });
  stream.write(Buffer.concat([head, chunkStart(content.body.length), content.body, CHUNK_END, LAST_CHUNK]));
  return { sent, ...(await readReply(stream, target, content.body)) };
}

async function readReply(
  stream: Duplex,
  { authority, method }: { readonly authority: string; readonly method: string },
  original: Buffer,
): Promise<Omit<ContentReply, 'sent'>> {
  const reader = createResponseReader(LIMITS, () => method);
  let head: ResponseHead | undefined;
  let received: readonly Section[] = [];
  const pieces: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    reader.push(chunk);
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.type === 'head') head = event.head;
      else if (event.type === 'sections') received = event.sections;
      else if (event.type === 'data') pieces.push(event.data);
      else if (head !== undefined) return { head, received, bodyChanged: isChanged(head, received, pieces, original) };
    }
  }
  const detail = 'closed the connection before its answer was complete';
  throw new UpstreamError('ICAPGW_UPSTREAM_CLOSED', { backend: authority, detail });
}

function isChanged(
  head: ResponseHead,
  received: readonly Section[],
  pieces: readonly Buffer[],
  original: Buffer,
): boolean {
  // c-icap can say "no modification" with a 200 that holds nothing.
  if (received.length === 0 && head.encapsulated.body === 'null-body') return false;
  return !Buffer.concat(pieces).equals(original);
}

function httpSections(method: ModMethod, { name, contentType, body }: TrialContent): readonly Section[] {
  const url = `http://${HOST}/${name}`;
  const entity = [`Content-Type: ${contentType}`, `Content-Length: ${body.length}`];
  if (method === 'REQMOD') {
    return [{ part: 'req-hdr', bytes: httpHead(`POST ${url} HTTP/1.1`, [`Host: ${HOST}`, ...entity]) }];
  }
  return [
    { part: 'req-hdr', bytes: httpHead(`GET ${url} HTTP/1.1`, [`Host: ${HOST}`]) },
    { part: 'res-hdr', bytes: httpHead('HTTP/1.1 200 OK', entity) },
  ];
}

function httpHead(startLine: string, fields: readonly string[]): Buffer {
  return Buffer.from([startLine, ...fields, '', ''].join('\r\n'), 'latin1');
}
