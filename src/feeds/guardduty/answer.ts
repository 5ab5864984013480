import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is answered: a status, one line, and headers of its own. */
export interface Answer {
  readonly code: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Why, for the log, where it is a refusal that says less to its sender than to the operator. */
  readonly reason?: string;
}

export const RUNNING: Answer = { code: 200, text: 'Running...' };

/** How long, and how much of a body that nobody wants is thrown away: a sender that is cut while it writes reads no answer. */
const LINGER_MS = 1_000;
const LINGER_BYTES = 1024 * 1024;

/** Answers a request whose body was read, or that has none. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  writeHead(response, answer, {});
  response.end(answer.text);
}

/** Answers a request whose body is not read to its end, and closes the connection once the sender could read that. */
export function sendAndClose(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  writeHead(response, answer, { Connection: 'close' });
  // Complete for whoever reads it, and not ended: the end would cut a sender that still writes.
  response.write(answer.text);
  let length = 0;
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > LINGER_BYTES) request.pause();
  });
  request.once('end', end).once('close', end).resume();
}

function writeHead(response: ServerResponse, { code, text, headers }: Answer, more: Record<string, string>): void {
  response.writeHead(code, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
    ...more,
  });
}
