import type { BodyPart, Section } from '../icap/encapsulated.ts';
import { GatherBuffer } from '../icap/gather-buffer.ts';
import type { BodyEnding } from '../icap/message-reader.ts';
import type { RequestHead } from '../icap/request-head.ts';
import { BodyScanner } from './body-scanner.ts';
import type { Finding } from './finding.ts';
import type { HoldBudget } from './hold-budget.ts';

/** What the server says to one request. */
export type Answer =
  | { readonly kind: 'options' }
  | { readonly kind: 'unmodified' }
  | { readonly kind: 'echo'; readonly sections: readonly Section[]; readonly part: BodyPart; readonly body: Buffer }
  | { readonly kind: 'blocked'; readonly finding: Finding }
  | { readonly kind: 'error'; readonly status: 500 | 501; readonly reason: string };

/**
 * One request from its head to its answer. The verdict is known before a byte of the answer leaves: where a 204 is not
 * permitted, the body is held back whole, up to `maxHeldBytes`, to be sent back once it is known to be clean.
 */
export class Transaction {
  readonly #head: RequestHead;
  readonly #maxHeldBytes: number;
  readonly #budget: HoldBudget;
  readonly #scanner: BodyScanner = new BodyScanner();
  readonly #held: GatherBuffer = new GatherBuffer();
  #sections: readonly Section[] = [];
  #isHolding: boolean;
  #wasContinued = false;

  constructor(head: RequestHead, maxHeldBytes: number, budget: HoldBudget) {
    this.#head = head;
    this.#maxHeldBytes = maxHeldBytes;
    this.#budget = budget;
    this.#isHolding = !head.allow204;
  }

  addSections(sections: readonly Section[]): void {
    this.#sections = sections;
  }

  addData(data: Buffer): void {
    this.#scanner.push(data);
    if (!this.#isHolding) return;
    const fits = this.#held.length + data.length <= this.#maxHeldBytes && this.#budget.take(data.length);
    if (fits) this.#held.append(data, 0, data.length);
    else this.#letGo();
  }

  /** The answer, or undefined when the client has to be told to send the rest of the body. */
  end(ending: BodyEnding): Answer | undefined {
    const { method } = this.#head;
    if (method === 'OPTIONS') return { kind: 'options' };
    if (method !== 'REQMOD' && method !== 'RESPMOD') {
      return { kind: 'error', status: 501, reason: 'Method Not Implemented' };
    }
    if (ending !== 'preview') this.#scanner.end();
    const { finding } = this.#scanner;
    if (finding !== undefined) return { kind: 'blocked', finding };
    if (ending === 'preview') {
      this.#wasContinued = true;
      return undefined;
    }
    // RFC 3507 4.6: a preview may be answered with 204 whatever Allow says, until it was answered with 100.
    if (this.#head.allow204 || (this.#head.preview !== undefined && !this.#wasContinued)) return { kind: 'unmodified' };
    return this.#echo();
  }

  /** Gives the memory back. Once, when the answer is written or nobody wants it any more. */
  dispose(): void {
    this.#letGo();
  }

  #echo(): Answer {
    if (!this.#isHolding)
      return { kind: 'error', status: 500, reason: 'Body Too Large To Send Back (Allow: 204 Helps)' };
    const { body } = this.#head.encapsulated;
    // RFC 3507 4.9.2: the answer to a RESPMOD carries the response only.
    const wanted = this.#head.method === 'RESPMOD' ? 'res-hdr' : 'req-hdr';
    const sections = this.#sections.filter(({ part }) => part === wanted);
    return { kind: 'echo', sections, part: body, body: this.#held.view() };
  }

  #letGo(): void {
    this.#budget.give(this.#held.take().length);
    this.#isHolding = false;
  }
}
