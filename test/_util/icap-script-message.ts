import type { BodyPart, HeaderPart } from '../../src/icap/encapsulated.ts';

export type Bytes = string | Buffer;

/** An HTTP header block per part, with its blank line, and the body that follows; without one it is a null-body. */
export interface Content {
  readonly 'req-hdr'?: string;
  readonly 'res-hdr'?: string;
  readonly body?: Bytes;
}

export interface RequestShape extends Content {
  readonly path?: string;
  /** ICAP header lines besides Host, Preview and Encapsulated. */
  readonly lines?: readonly string[];
  /** Bytes of the body sent at first; `rest` has what follows a 100. */
  readonly preview?: number;
  /** Whether a preview that holds the whole body says so. */
  readonly ieof?: boolean;
}

export const HTTP_GET = 'GET http://www.example/page?q=1 HTTP/1.1\r\nHost: www.example\r\nX-Odd:  two  blanks \r\n\r\n';
export const HTTP_POST =
  'POST http://www.example/form HTTP/1.1\r\nHost: www.example\r\nContent-Type: text/plain\r\n\r\n';
export const HTTP_OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Odd:  two  blanks \r\n\r\n';
export const HTTP_FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n';

/** The first flight of a REQMOD request; a POST unless told otherwise. */
export function reqmod(shape: RequestShape = {}): Buffer {
  return request('REQMOD', { path: '/reqmod', 'req-hdr': HTTP_POST, ...shape });
}

/** The first flight of a RESPMOD request; the answer to a GET unless told otherwise. */
export function respmod(shape: RequestShape = {}): Buffer {
  return request('RESPMOD', { path: '/respmod', 'req-hdr': HTTP_GET, 'res-hdr': HTTP_OK, ...shape });
}

export function options(path = '/reqmod', lines: readonly string[] = []): Buffer {
  return bytesOf(
    `OPTIONS icap://gateway.example${path} ICAP/1.0\r\n${linesOf(['Host: gateway.example', ...lines])}\r\n`,
  );
}

/** What a client sends after a 100: the body from byte `from` on. */
export function rest(body: Bytes, from: number): Buffer {
  return chunked(bytesOf(body).subarray(from));
}

/** A body in chunks of at most `chunkBytes` and its last chunk. */
export function chunked(body: Bytes, chunkBytes = 65_536): Buffer {
  const bytes = bytesOf(body);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) pieces.push(chunk(bytes.subarray(at, at + chunkBytes)));
  return Buffer.concat([...pieces, bytesOf('0\r\n\r\n')]);
}

/** One chunk, without the last one. */
export function chunk(data: Bytes): Buffer {
  const bytes = bytesOf(data);
  return Buffer.concat([bytesOf(`${bytes.length.toString(16)}\r\n`), bytes, bytesOf('\r\n')]);
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'Unmodified',
  206: 'Partial Content',
};

/** What a backend answers; `lines` go beside the ISTag and the Encapsulated field, which only content brings. */
export function answer(status: number, lines: readonly string[] = [], content?: Content): Buffer {
  const istag = lines.some((line) => line.startsWith('ISTag')) ? [] : ['ISTag: "backend"'];
  const start = `ICAP/1.0 ${status} ${REASONS[status] ?? 'Whatever'}\r\n`;
  if (content === undefined) return bytesOf(`${start}${linesOf([...istag, ...lines])}\r\n`);
  const fields = linesOf([...istag, ...lines, `Encapsulated: ${encapsulated(content)}`]);
  const body = content.body === undefined ? bytesOf('') : chunked(content.body);
  return Buffer.concat([bytesOf(`${start}${fields}\r\n${blocksOf(content)}`), body]);
}

/** A block page in place of the request or of the response. */
export function blocked(text = 'blocked', lines: readonly string[] = []): Buffer {
  return answer(200, lines, { 'res-hdr': HTTP_FORBIDDEN, body: text });
}

export function bytesOf(text: Bytes): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
}

function request(method: 'REQMOD' | 'RESPMOD', shape: RequestShape): Buffer {
  const { path = '/', lines = [], preview } = shape;
  const fields = ['Host: gateway.example', ...lines];
  if (preview !== undefined) fields.push(`Preview: ${preview}`);
  fields.push(`Encapsulated: ${encapsulated(shape, method === 'REQMOD' ? 'req-body' : 'res-body')}`);
  const head = `${method} icap://gateway.example${path} ICAP/1.0\r\n${linesOf(fields)}\r\n${blocksOf(shape)}`;
  return Buffer.concat([bytesOf(head), flightOf(shape)]);
}

function flightOf({ body, preview, ieof = true }: RequestShape): Buffer {
  if (body === undefined) return bytesOf('');
  const bytes = bytesOf(body);
  if (preview === undefined) return chunked(bytes);
  const first = bytes.subarray(0, preview);
  const isAll = ieof && first.length === bytes.length;
  const end = isAll ? '0; ieof\r\n\r\n' : '0\r\n\r\n';
  return Buffer.concat([first.length === 0 ? bytesOf('') : chunk(first), bytesOf(end)]);
}

function encapsulated(content: Content, bodyPart?: BodyPart): string {
  const items: string[] = [];
  let offset = 0;
  let last: BodyPart = 'res-body';
  for (const part of ['req-hdr', 'res-hdr'] as const satisfies readonly HeaderPart[]) {
    const block = content[part];
    if (block === undefined) continue;
    items.push(`${part}=${offset}`);
    offset += block.length;
    last = part === 'req-hdr' ? 'req-body' : 'res-body';
  }
  const body: BodyPart = content.body === undefined ? 'null-body' : (bodyPart ?? last);
  return [...items, `${body}=${offset}`].join(', ');
}

function blocksOf(content: Content): string {
  return `${content['req-hdr'] ?? ''}${content['res-hdr'] ?? ''}`;
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('');
}
