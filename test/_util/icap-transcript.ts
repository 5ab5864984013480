import { IcapProtocolError } from '../../src/errors.ts';
import type { MessageHead } from '../../src/icap/head.ts';
import type { BodyEnding, MessageEvent, MessageReader } from '../../src/icap/message-reader.ts';

/** What a reader made of some bytes, without where the data was cut. */
export interface Transcript<Head extends MessageHead> {
  readonly messages: readonly ReadMessage<Head>[];
  readonly error: { readonly code: string; readonly offset: number } | undefined;
}

export interface ReadMessage<Head extends MessageHead> {
  head: Head;
  sections: readonly { part: string; text: string }[];
  body: string;
  endings: BodyEnding[];
  useOriginalBody: number | undefined;
  trailers: readonly { name: string; value: string }[];
}

/** Reads all messages, going on after each preview as a server does that answers 100. */
export function transcribe<Head extends MessageHead>(
  reader: MessageReader<Head>,
  pieces: readonly Buffer[],
): Transcript<Head> {
  const messages: ReadMessage<Head>[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let event = reader.read(); event !== undefined; event = reader.read()) {
        note(messages, event);
        if (event.type === 'end') {
          if (event.ending === 'preview') reader.continueBody();
          else reader.next();
        }
      }
    }
  } catch (error) {
    if (!(error instanceof IcapProtocolError)) throw error;
    return { messages, error: { code: error.code, offset: error.offset } };
  }
  return { messages, error: undefined };
}

function note<Head extends MessageHead>(messages: ReadMessage<Head>[], event: MessageEvent<Head>): void {
  if (event.type === 'head') {
    const { head } = event;
    messages.push({ head, sections: [], body: '', endings: [], useOriginalBody: undefined, trailers: [] });
    return;
  }
  const message = messages.at(-1);
  if (message === undefined) throw new Error(`${event.type} before any head`);
  switch (event.type) {
    case 'sections':
      message.sections = event.sections.map(({ part, bytes }) => ({ part, text: bytes.toString('latin1') }));
      break;
    case 'data':
      message.body += event.data.toString('latin1');
      break;
    case 'end':
      message.endings.push(event.ending);
      message.useOriginalBody = event.useOriginalBody;
      message.trailers = event.trailers.map(({ name, value }) => ({ name, value }));
      break;
  }
}
