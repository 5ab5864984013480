import type { Section } from '../../icap/encapsulated.ts';
import { type ClientPhase, may206 } from '../../icap/legality.ts';
import type { BodyEnding } from '../../icap/message-reader.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import type { ContentMethod } from '../../observe/labels.ts';
import type { Route } from '../../policy/route.ts';
import { BodyStore } from './body-store.ts';

/** A client's REQMOD or RESPMOD as far as it has come. */
export class ClientRequest {
  readonly head: RequestHead;
  readonly method: ContentMethod;
  readonly store: BodyStore = new BodyStore();
  sections: readonly Section[] = [];
  route: Route = { backends: undefined, path: '/' };
  /** How what the client has sent ends: its body, or a preview that it waits in; undefined: there is more to come. */
  ending: BodyEnding | undefined;
  /** Whether the client was told to send what follows its preview. */
  hasContinued = false;

  constructor(head: RequestHead, method: ContentMethod) {
    this.head = head;
    this.method = method;
  }

  /** Whether what has come is still kept when a backend has been asked: a preview is, another body up to `retainBytes`. */
  isRetained(retainBytes: number): boolean {
    return this.store.isWhole && (this.head.preview !== undefined || this.store.receivedBytes <= retainBytes);
  }

  /** Whether the client waits, or will wait, for a word on its preview. */
  get isPreview(): boolean {
    return this.head.preview !== undefined && !this.hasContinued;
  }

  /** Where the client stands, which decides what it may be answered. */
  get phase(): ClientPhase {
    const { preview, allow204, allow206 } = this.head;
    const state = this.hasContinued ? 'continued' : preview === undefined ? 'none' : 'unanswered';
    return { preview: state, allow204, allow206 };
  }

  get may206(): boolean {
    return may206(this.phase);
  }
}
