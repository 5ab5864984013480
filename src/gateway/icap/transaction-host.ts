import type { WireWriter } from '../../net/wire-writer.ts';
import type { CloseReason } from '../../observe/labels.ts';
import type { Client } from '../client.ts';

/** What a transaction asks of the client's connection that it came over. */
export interface TransactionHost {
  readonly client: Client;
  /** Whatever is added is sent at the next `flush`. */
  readonly writer: WireWriter;
  /** What the client has sent of the present request, head and framing included. */
  readonly requestBytes: number;
  /** Whether the connection closes after this transaction whatever becomes of it. */
  readonly isClosing: boolean;
  /** Returns false when the client wants to drain first. */
  flush(): boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** The client was told to send what follows its preview. */
  continueBody(): void;
  /** The transaction is over. `close`: so is the connection, once the client has read what was sent. */
  done(close: boolean): void;
  /** The connection ends here and now. */
  abort(reason: CloseReason): void;
}
