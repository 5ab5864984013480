import type { Duplex } from 'node:stream';
import { BlockReader } from '../icap/block-reader.ts';
import { ByteInput } from '../icap/byte-input.ts';
import { serializeRequest } from '../icap/serialize.ts';
import type { ProbeTarget, Problem } from './probe.ts';
import { printable } from './probe-failure.ts';

const MAX_HEAD_BYTES = 8 * 1024;
const STATUS_LINE = /^ICAP\/1\.\d (\d{3})(?: |$)/;

/** Asks OPTIONS and reads the head of the answer. A member that accepts and stays silent is ended by the deadline. */
export async function optionsProbe(stream: Duplex, target: ProbeTarget): Promise<Problem | undefined> {
  stream.write(requestFor(target));
  const head = await readHead(stream);
  return typeof head === 'string' ? judge(head, target.path) : head;
}

function requestFor({ authority, path }: ProbeTarget): Buffer {
  const fields = [
    { name: 'Host', value: authority },
    { name: 'User-Agent', value: 'icapgw' },
    // An idle connection would hold a thread of a c-icap until its keep-alive ends.
    { name: 'Connection', value: 'close' },
  ];
  return serializeRequest('OPTIONS', `icap://${authority}${path ?? '/'}`, fields, undefined);
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

function judge(head: string, path: string | undefined): Problem | undefined {
  const statusLine = head.slice(0, head.indexOf('\n')).trimEnd();
  const status = STATUS_LINE.exec(statusLine)?.[1];
  if (status === undefined)
    return { reason: 'protocol', detail: `answered '${printable(statusLine)}', which is not ICAP` };
  if (path === undefined || status.startsWith('2')) return undefined;
  return { reason: 'status', detail: `answered '${printable(statusLine)}' to OPTIONS ${path}` };
}
