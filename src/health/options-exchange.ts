import type { Duplex } from 'node:stream';
import { IcapProtocolError } from '../errors.ts';
import { BlockReader } from '../icap/block-reader.ts';
import { ByteInput } from '../icap/byte-input.ts';
import { parseFields } from '../icap/field.ts';
import { DEFAULT_ICAP_LIMITS } from '../icap/limits.ts';
import { LENIENT } from '../icap/profile.ts';
import { serializeRequest } from '../icap/serialize.ts';
import { parseServiceOptions, type ServiceOptions } from '../icap/service-options.ts';
import type { Problem } from './probe.ts';
import { printable } from './probe-failure.ts';

/** What a member answered to OPTIONS. */
export interface OptionsAnswer {
  readonly status: number;
  /** Fit for a log. */
  readonly statusLine: string;
  /** Of a 2xx whose fields can be read. */
  readonly options: ServiceOptions | undefined;
}

const MAX_HEAD_BYTES = 8 * 1024;
const STATUS_LINE = /^ICAP\/1\.\d (\d{3})(?: |$)/;

/** Asks OPTIONS and reads the head of the answer. A member that accepts and stays silent is ended by the deadline. */
export async function askOptions(stream: Duplex, authority: string, path: string): Promise<OptionsAnswer | Problem> {
  const fields = [
    { name: 'Host', value: authority },
    { name: 'User-Agent', value: 'icapgw' },
    // An idle connection would hold a thread of a c-icap until its keep-alive ends.
    { name: 'Connection', value: 'close' },
  ];
  stream.write(serializeRequest('OPTIONS', `icap://${authority}${path}`, fields, undefined));
  const head = await readHead(stream);
  return typeof head === 'string' ? parse(head) : head;
}

async function readHead(stream: Duplex): Promise<string | Problem> {
  const input = new ByteInput();
  const reader = new BlockReader(MAX_HEAD_BYTES, true, 0);
  let isSilent = true;
  // The stream outlives the loop: whoever opened it closes it in good order.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    isSilent = false;
    input.push(chunk);
    const head = reader.read(input);
    if (head !== undefined) return head.toString('latin1');
  }
  return isSilent
    ? { reason: 'reset', detail: 'closed the connection without an answer' }
    : { reason: 'protocol', detail: 'closed the connection in the middle of an answer' };
}

function parse(head: string): OptionsAnswer | Problem {
  const lf = head.indexOf('\n');
  const statusLine = printable(head.slice(0, lf));
  const digits = STATUS_LINE.exec(head.slice(0, lf).trimEnd())?.[1];
  if (digits === undefined) return { reason: 'protocol', detail: `answered '${statusLine}', which is not ICAP` };
  return {
    status: Number(digits),
    statusLine,
    options: digits.startsWith('2') ? readOptions(head, lf + 1) : undefined,
  };
}

function readOptions(head: string, start: number): ServiceOptions | undefined {
  try {
    return parseServiceOptions(parseFields(head, start, 0, LENIENT, DEFAULT_ICAP_LIMITS));
  } catch (error) {
    if (error instanceof IcapProtocolError) return undefined;
    throw error;
  }
}
