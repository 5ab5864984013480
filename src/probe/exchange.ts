import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { CHUNK_END, chunkStart, LAST_CHUNK, LAST_CHUNK_IEOF } from '../icap/chunk-encoder.ts';
import type { BodyPart, Section } from '../icap/encapsulated.ts';
import type { Field } from '../icap/field.ts';
import { serializeRequest } from '../icap/serialize.ts';
import { type Judgement, judge } from '../icap/verdict.ts';
import { DocumentReader, type ProbeDocument } from './document.ts';
import { httpSections } from './http-message.ts';
import type { IcapClient } from './icap-client.ts';
import type { ModMethod } from './profile.ts';
import type { Reply } from './reply.ts';

/** Shown what is sent (`>`) and received (`<`): heads, never bodies. */
export type Trace = (direction: '>' | '<', head: string) => void;

const NOTHING = Buffer.alloc(0);
const PIECE_BYTES = 64 * 1024;
/** A server may offer more; a client need not use it. */
const MAX_PREVIEW_BYTES = 64 * 1024;

/** One REQMOD or RESPMOD to make. */
export interface ModRequest {
  readonly method: ModMethod;
  readonly uri: string;
  readonly fields: readonly Field[];
  readonly document: ProbeDocument;
  /** What the service offers; undefined: the document is sent without a preview. */
  readonly previewBytes: number | undefined;
}

/** What came of it. */
export interface ModResult {
  readonly sent: readonly Section[];
  readonly reply: Reply;
  /** The preview was enough for the answer. */
  readonly endedInPreview: boolean;
  /** Whether the body differs, or is missing from what came back; undefined where nothing did, or nobody knows. */
  readonly bodyChanged: boolean | undefined;
}

/** Asks for OPTIONS. */
export async function askOptions(
  client: IcapClient,
  uri: string,
  fields: readonly Field[],
  trace: Trace,
): Promise<Reply> {
  const bytes = serializeRequest('OPTIONS', uri, fields, undefined);
  trace('>', bytes.toString('latin1'));
  client.begin('OPTIONS');
  await client.send(bytes);
  return await finalReply(client, trace);
}

/** Sends one document and waits for the verdict. */
export async function modify(client: IcapClient, request: ModRequest, trace: Trace): Promise<ModResult> {
  const source = new DocumentReader(request.document);
  try {
    return await new Exchange(client, request, source, trace).run();
  } finally {
    await source.close();
  }
}

/** What the server decided in that exchange. */
export function judgeResult(method: ModMethod, { sent, reply, bodyChanged }: ModResult): Judgement {
  const { head, sections } = reply;
  return judge({ method, sent, status: head.status, fields: head.fields, received: sections, bodyChanged });
}

class Exchange {
  readonly #client: IcapClient;
  readonly #request: ModRequest;
  readonly #source: DocumentReader;
  readonly #trace: Trace;
  readonly #hash = createHash('sha256');
  #sentBytes = 0;

  constructor(client: IcapClient, request: ModRequest, source: DocumentReader, trace: Trace) {
    this.#client = client;
    this.#request = request;
    this.#source = source;
    this.#trace = trace;
  }

  async run(): Promise<ModResult> {
    const { method, document, previewBytes } = this.#request;
    const sent = httpSections(method, document);
    this.#client.begin(method);
    if (previewBytes === undefined) {
      const head = this.#head(sent, []);
      if (document.sizeBytes === 0) await this.#client.send(head);
      else await this.#sendRest(head);
      return this.#result(sent, await finalReply(this.#client, this.#trace), false);
    }
    const size = Math.min(previewBytes, MAX_PREVIEW_BYTES);
    const isAll = document.sizeBytes <= size;
    await this.#sendPreview(sent, size, isAll);
    const first = await tracedReply(this.#client, this.#trace);
    if (first.head.status !== 100) return this.#result(sent, first, true);
    this.#client.expectAnother();
    // A 100 after ieof has nothing to continue; RFC 3507 erratum 5893 has clients ignore it.
    if (!isAll) await this.#sendRest(NOTHING);
    return this.#result(sent, await tracedReply(this.#client, this.#trace), false);
  }

  #head(sections: readonly Section[], extra: readonly Field[]): Buffer {
    const { method, uri, fields, document } = this.#request;
    const whole: BodyPart = method === 'REQMOD' ? 'req-body' : 'res-body';
    const body = document.sizeBytes === 0 ? 'null-body' : whole;
    const bytes = serializeRequest(method, uri, [...fields, ...extra], { sections, body });
    this.#trace('>', bytes.toString('latin1'));
    return bytes;
  }

  /** Head and preview leave together: one packet less, and no delayed acknowledgement in between. */
  async #sendPreview(sections: readonly Section[], size: number, isAll: boolean): Promise<void> {
    const head = this.#head(sections, [{ name: 'Preview', value: String(size) }]);
    if (this.#request.document.sizeBytes === 0) return await this.#client.send(head);
    const data = await this.#source.take(size);
    const last = isAll ? LAST_CHUNK_IEOF : LAST_CHUNK;
    await this.#client.send(Buffer.concat([head, ...this.#chunk(data), last]));
  }

  /** Sends `before` and what was not sent yet. Stops when the server has said all it will say. */
  async #sendRest(before: Buffer): Promise<void> {
    let pending = before;
    for (let data = await this.#next(); data !== undefined; data = await this.#next()) {
      const chunk = this.#chunk(data);
      const isLast = this.#isWhole;
      await this.#client.send(Buffer.concat([pending, ...chunk, ...(isLast ? [LAST_CHUNK] : [])]));
      if (isLast) return;
      pending = NOTHING;
      // A server may answer early and close. Reading comes before the next write, whose failure would lose the answer.
      await setImmediate();
      if (!this.#client.isWaiting) return this.#client.abandonRequest();
    }
    await this.#client.send(Buffer.concat([pending, LAST_CHUNK]));
  }

  #next(): Promise<Buffer | undefined> {
    return this.#source.next(PIECE_BYTES);
  }

  get #isWhole(): boolean {
    return this.#sentBytes === this.#request.document.sizeBytes;
  }

  #chunk(data: Buffer): readonly Buffer[] {
    if (data.length === 0) return [];
    this.#hash.update(data);
    this.#sentBytes += data.length;
    return [chunkStart(data.length), data, CHUNK_END];
  }

  #result(sent: readonly Section[], reply: Reply, isFirst: boolean): ModResult {
    return { sent, reply, endedInPreview: isFirst, bodyChanged: this.#isChangedIn(reply) };
  }

  #isChangedIn({ head, sections, bodyBytes, bodySha256 }: Reply): boolean | undefined {
    const { sizeBytes } = this.#request.document;
    if (head.encapsulated.body === 'null-body') {
      const isLost = sizeBytes > 0 && sections.some(({ bytes }) => bytes.length > 0);
      return isLost ? true : undefined;
    }
    if (bodyBytes !== sizeBytes) return true;
    return this.#isWhole ? bodySha256 !== this.#hash.digest('hex') : undefined;
  }
}

/** The response that is not 100. A 100 that nobody waits for is passed over, once. */
async function finalReply(client: IcapClient, trace: Trace): Promise<Reply> {
  const reply = await tracedReply(client, trace);
  if (reply.head.status !== 100) return reply;
  client.expectAnother();
  return await tracedReply(client, trace);
}

async function tracedReply(client: IcapClient, trace: Trace): Promise<Reply> {
  const reply = await client.reply();
  const { status, reason, fields } = reply.head;
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
  const sections = reply.sections.map(({ bytes }) => bytes.toString('latin1')).join('');
  trace('<', `ICAP/1.0 ${status} ${reason}\r\n${lines}\r\n${sections}`);
  return reply;
}
