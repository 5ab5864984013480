import { CHUNK_END, chunkStart, LAST_CHUNK } from '../icap/chunk-encoder.ts';
import type { Field } from '../icap/field.ts';
import { serializeResponse } from '../icap/serialize.ts';
import { reasonPhrase } from '../icap/status.ts';
import type { Finding } from './finding.ts';
import type { Answer } from './transaction.ts';

/** How this server names itself wherever it can. Nobody shall take it for protection. */
export const DEMO_SERVER_NAME = 'icapgw demonstration server, not a scanner';

const PREVIEW_BYTES = 1024;
const OPTIONS_TTL_SECONDS = 3600;
const ECHO_CHUNK_BYTES = 64 * 1024;

/** Tells a client to send the rest of a previewed body. */
export const CONTINUE: Buffer = serializeResponse(100, reasonPhrase(100), [], undefined);

/** What of an answer is not in the `Answer`. */
export interface AnswerContext {
  readonly close: boolean;
  readonly maxConnections: number;
}

/** The bytes of an answer in pieces of bounded size. The first holds all heads. */
export function* answerBytes(answer: Answer, context: AnswerContext): Generator<Buffer> {
  const fields = commonFields(context.close);
  switch (answer.kind) {
    case 'options':
      fields.push(...optionsFields(context.maxConnections));
      yield serializeResponse(200, reasonPhrase(200), fields, { sections: [], body: 'null-body' });
      return;
    case 'unmodified':
      yield serializeResponse(204, reasonPhrase(204), fields, { sections: [], body: 'null-body' });
      return;
    case 'echo':
      yield serializeResponse(200, reasonPhrase(200), fields, { sections: answer.sections, body: answer.part });
      if (answer.part !== 'null-body') yield* chunked(answer.body);
      return;
    case 'blocked':
      yield blockBytes(answer.finding, fields);
      return;
    case 'error':
      yield serializeResponse(answer.status, answer.reason, fields, { sections: [], body: 'null-body' });
      return;
  }
}

/** An error that ends the connection: nothing sensible can follow it. */
export function closingError(status: number): Buffer {
  return serializeResponse(status, reasonPhrase(status), commonFields(true), { sections: [], body: 'null-body' });
}

function commonFields(close: boolean): Field[] {
  const fields = [
    { name: 'Date', value: new Date().toUTCString() },
    { name: 'Server', value: DEMO_SERVER_NAME },
    { name: 'ISTag', value: '"icapgw-demo-1"' },
  ];
  if (close) fields.push({ name: 'Connection', value: 'close' });
  return fields;
}

function optionsFields(maxConnections: number): readonly Field[] {
  return [
    { name: 'Methods', value: 'REQMOD, RESPMOD' },
    { name: 'Service', value: DEMO_SERVER_NAME },
    { name: 'Max-Connections', value: String(maxConnections) },
    { name: 'Options-TTL', value: String(OPTIONS_TTL_SECONDS) },
    { name: 'Allow', value: '204' },
    { name: 'Preview', value: String(PREVIEW_BYTES) },
    { name: 'Transfer-Preview', value: '*' },
  ];
}

function blockBytes(finding: Finding, fields: Field[]): Buffer {
  const page = Buffer.from(
    `<!doctype html>\n<title>Blocked</title>\n<h1>Blocked</h1>\n<p>${finding.text}</p>\n` +
      `<p>${finding.threat}, found by the ${DEMO_SERVER_NAME}.</p>\n`,
  );
  const head = Buffer.from(
    'HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=utf-8\r\n' +
      `Content-Length: ${page.length}\r\nCache-Control: no-store\r\n\r\n`,
  );
  fields.push(
    { name: 'X-Infection-Found', value: `Type=${finding.type}; Resolution=2; Threat=${finding.threat};` },
    { name: 'X-Virus-ID', value: finding.threat },
    { name: 'X-Response-Info', value: 'Blocked' },
  );
  const parts = { sections: [{ part: 'res-hdr', bytes: head } as const], body: 'res-body' } as const;
  return Buffer.concat([serializeResponse(200, reasonPhrase(200), fields, parts), ...chunked(page)]);
}

function* chunked(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += ECHO_CHUNK_BYTES) {
    const data = body.subarray(at, at + ECHO_CHUNK_BYTES);
    yield chunkStart(data.length);
    yield data;
    yield CHUNK_END;
  }
  yield LAST_CHUNK;
}
