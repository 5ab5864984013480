import { LAST_CHUNK, lastChunkUseOriginalBody } from '../../icap/chunk-encoder.ts';
import { formatEncapsulated, type Section } from '../../icap/encapsulated.ts';
import { type OutgoingResponse, responseFields } from '../../icap/response-fields.ts';
import type { ResponseHead } from '../../icap/response-head.ts';
import { statusLine } from '../../icap/serialize.ts';
import { reasonPhrase } from '../../icap/status.ts';
import type { WireWriter } from '../../net/wire-writer.ts';

/** What the gateway puts in place of what the backend said. */
export interface AnswerEdits extends OutgoingResponse {
  /** The client is given the beginning of the answer. */
  readonly onBegin: () => void;
}

/** Writes one final answer of a backend to the client, newly serialised. */
export class AnswerRelay {
  readonly head: ResponseHead;
  /** As it was told to the client. */
  readonly status: number;
  sections: readonly Section[] = [];
  bodyBytes = 0;
  readonly #writer: WireWriter;
  readonly #edits: AnswerEdits;
  #hasBegun = false;

  constructor(writer: WireWriter, head: ResponseHead, edits: AnswerEdits) {
    this.#writer = writer;
    this.#edits = edits;
    this.head = head;
    // RFC 3507 knows 200, 204 and 206; clients take another 2xx (Symantec's 201) for an error.
    this.status = clientStatus(head.status);
    if (head.encapsulated.headers.length === 0) this.#begin();
  }

  addSections(sections: readonly Section[]): void {
    // Nothing may follow a 204, whatever its backend says.
    if (this.status !== 204) this.sections = sections.filter(({ bytes }) => bytes.length > 0);
    this.#begin();
  }

  /** The piece is copied at the next flush. */
  addBody(piece: Buffer): void {
    if (!this.hasBody) return;
    this.bodyBytes += piece.length;
    this.#writer.add(`${piece.length.toString(16)}\r\n`);
    this.#writer.add(piece);
    this.#writer.add('\r\n');
  }

  end(useOriginalBody: number | undefined): void {
    if (this.hasBody) {
      const isPartial = this.status === 206 && useOriginalBody !== undefined;
      this.#writer.add(isPartial ? lastChunkUseOriginalBody(useOriginalBody) : LAST_CHUNK);
    }
  }

  /** Whether the client has been given its beginning. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get hasBody(): boolean {
    return this.head.encapsulated.body !== 'null-body' && this.status !== 204;
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#edits.onBegin();
    const { head } = this;
    const reason = head.reason === '' || this.status !== head.status ? reasonPhrase(this.status) : head.reason;
    const parts = formatEncapsulated(this.sections, this.hasBody ? head.encapsulated.body : 'null-body');
    this.#writer.add(
      `${statusLine(this.status, reason)}${responseFields(head, this.#edits)}Encapsulated: ${parts}\r\n\r\n`,
    );
    for (const { bytes } of this.sections) this.#writer.add(bytes);
  }
}

/** What a client is told of a backend's status: it knows three of the 2xx. */
export function clientStatus(status: number): number {
  return status >= 200 && status < 300 && status !== 204 && status !== 206 ? 200 : status;
}
