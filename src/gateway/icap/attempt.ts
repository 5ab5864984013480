import { LAST_CHUNK, LAST_CHUNK_IEOF } from '../../icap/chunk-encoder.ts';
import type { BodyPart, Section } from '../../icap/encapsulated.ts';
import { formatEncapsulated } from '../../icap/encapsulated.ts';
import type { BodyEnding, MessageEvent } from '../../icap/message-reader.ts';
import type { ResponseHead } from '../../icap/response-head.ts';
import type { BackendConnection, ConnectionLoss } from './backend-connection.ts';
import type { BodyStore } from './body-store.ts';

/** What the attempt is to send: the client's request, as this backend is to see it. */
export interface OutgoingMessage {
  readonly method: string;
  /** Start line and fields, each with its line end; without Encapsulated. */
  readonly lines: string;
  readonly sections: readonly Section[];
  readonly body: BodyPart;
  readonly store: BodyStore;
  /** How much of the body the client has sent: all, or a preview that it waits in; undefined: it is still sending. */
  readonly ending: BodyEnding | undefined;
}

export interface AttemptHandlers {
  readonly onEvent: (event: MessageEvent<ResponseHead>) => void;
  readonly onPause: () => void;
  readonly onLost: (loss: ConnectionLoss, detail: string) => void;
  readonly onDrain: () => void;
}

/** One request on its way to one backend: what the client has sent so far at once, and the rest as it comes. */
export class Attempt {
  readonly connection: BackendConnection;
  /** When the last byte for now was handed over; undefined while there is more to come. */
  sentAtMs: number | undefined;

  constructor(connection: BackendConnection, message: OutgoingMessage, handlers: AttemptHandlers) {
    this.connection = connection;
    connection.begin(message.method, handlers);
    this.#sendStart(message);
  }

  /** Whether the whole request has been sent, or a preview that the backend is to answer first. */
  get isSent(): boolean {
    return this.sentAtMs !== undefined;
  }

  /** Adds body bytes; they are copied at the next `flush`. */
  addBody(piece: Buffer): void {
    if (this.connection.isGone) return;
    const { writer } = this.connection;
    writer.add(`${piece.length.toString(16)}\r\n`);
    writer.add(piece);
    writer.add('\r\n');
  }

  endBody(): void {
    if (!this.connection.isGone) this.connection.writer.add(LAST_CHUNK);
    this.sentAtMs = performance.now();
  }

  /** The backend wants what follows its preview. */
  continueBody(): void {
    this.sentAtMs = undefined;
    this.connection.expectAnother();
  }

  /** Returns false when the backend wants to drain first. `isBurst`: more is about to come, and may go with it. */
  flush(isBurst: boolean): boolean {
    const { writer, isGone } = this.connection;
    return isGone || writer.isEmpty || (isBurst ? writer.hold() : writer.flush());
  }

  #sendStart({ lines, sections, body, store, ending }: OutgoingMessage): void {
    const { writer } = this.connection;
    writer.add(`${lines}Encapsulated: ${formatEncapsulated(sections, body)}\r\n\r\n`);
    for (const { bytes } of sections) writer.add(bytes);
    if (body !== 'null-body') {
      for (const piece of store.pieces()) this.addBody(piece);
      if (ending !== undefined) writer.add(ending === 'ieof' ? LAST_CHUNK_IEOF : LAST_CHUNK);
    }
    if (ending !== undefined) this.sentAtMs = performance.now();
    writer.flush();
  }
}
