import { expect, test } from 'vitest';
import { echoParts } from '../../src/icap/echo.ts';
import type { BodyPart, Section } from '../../src/icap/encapsulated.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { serializeLines, statusLine } from '../../src/icap/serialize.ts';
import { transcribe } from '../_util/icap-transcript.ts';

const REQUEST: Section = { part: 'req-hdr', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n') };
const RESPONSE: Section = { part: 'res-hdr', bytes: Buffer.from('HTTP/1.1 200 OK\r\n\r\n') };

test.each<{ method: string; sections: readonly Section[]; body: BodyPart; list: string }>([
  { method: 'REQMOD', sections: [REQUEST], body: 'req-body', list: 'req-hdr=0, req-body=18' },
  { method: 'REQMOD', sections: [REQUEST], body: 'null-body', list: 'req-hdr=0, null-body=18' },
  { method: 'REQMOD', sections: [], body: 'req-body', list: 'req-body=0' },
  { method: 'RESPMOD', sections: [REQUEST, RESPONSE], body: 'res-body', list: 'res-hdr=0, res-body=19' },
  { method: 'RESPMOD', sections: [RESPONSE], body: 'null-body', list: 'res-hdr=0, null-body=19' },
  { method: 'RESPMOD', sections: [REQUEST], body: 'res-body', list: 'res-body=0' },
  { method: 'RESPMOD', sections: [], body: 'res-body', list: 'res-body=0' },
])('$method with $sections.length blocks and $body is returned as $list', ({ method, sections, body, list }) => {
  const answer = serializeLines(statusLine(200, 'OK'), '', echoParts(method, sections, body));
  expect(answer.toString('latin1')).toContain(`Encapsulated: ${list}\r\n`);
  const { messages, error } = transcribe(
    createResponseReader(DEFAULT_ICAP_LIMITS, () => method),
    [answer],
  );
  expect(error).toBeUndefined();
  expect(messages).toHaveLength(1);
});
