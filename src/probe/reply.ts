import { createHash } from 'node:crypto';
import type { Section } from '../icap/encapsulated.ts';
import type { MessageEvent } from '../icap/message-reader.ts';
import type { ResponseHead } from '../icap/response-head.ts';

/** One whole response. Its body is not kept. */
export interface Reply {
  readonly head: ResponseHead;
  readonly sections: readonly Section[];
  readonly bodyBytes: number;
  /** Of the body, hex. */
  readonly bodySha256: string;
}

/** Puts one response together from the reader's events. */
export class ReplyBuilder {
  readonly #hash = createHash('sha256');
  #head: ResponseHead | undefined;
  #sections: readonly Section[] = [];

  /** The reply once `event` completes it. */
  add(event: MessageEvent<ResponseHead>): Reply | undefined {
    switch (event.type) {
      case 'head':
        this.#head = event.head;
        return undefined;
      case 'sections':
        this.#sections = event.sections;
        return undefined;
      case 'data':
        this.#hash.update(event.data);
        return undefined;
      case 'end': {
        const head = this.#head;
        if (head === undefined) throw new TypeError('a response ended before it began');
        const { bodyBytes } = event;
        return { head, sections: this.#sections, bodyBytes, bodySha256: this.#hash.digest('hex') };
      }
    }
  }
}
