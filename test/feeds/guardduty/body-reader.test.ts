import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { BodyMemory, type BodyReading, readBody } from '../../../src/feeds/guardduty/body-reader.ts';

const KIB = 1024;

interface Sender {
  readonly request: IncomingMessage;
  readonly reading: Promise<BodyReading>;
}

function read(memory: BodyMemory): Sender {
  const request = new IncomingMessage(new Socket());
  return { request, reading: readBody(request, { maxBytes: 1024 * KIB, timeoutMs: 60_000, memory }) };
}

function send({ request }: Sender, bytes: number): void {
  request.push(Buffer.alloc(bytes));
}

function kindOf(sender: Sender): Promise<string> {
  return sender.reading.then(({ kind }) => kind);
}

test('bodies that are being read share a bounded memory, and small ones always have room', async () => {
  const memory = new BodyMemory(300 * KIB);
  const [first, second, third] = [read(memory), read(memory), read(memory)];
  send(first, 200 * KIB);
  send(second, 200 * KIB);
  expect(await kindOf(second)).toBe('no-room');
  send(third, 10 * KIB);
  third.request.push(null);
  expect(await kindOf(third)).toBe('read');
  first.request.push(null);
  expect(await kindOf(first)).toBe('read');
  // All of it is free again.
  const last = read(memory);
  send(last, 200 * KIB);
  last.request.push(null);
  expect(await kindOf(last)).toBe('read');
});

test('one that is alone may be as large as the limit says', async () => {
  const alone = read(new BodyMemory(KIB));
  send(alone, 600 * KIB);
  send(alone, 400 * KIB);
  alone.request.push(null);
  expect(await kindOf(alone)).toBe('read');
});

test('a body in pieces of one byte costs what its pieces cost', async () => {
  const memory = new BodyMemory(300 * KIB);
  const [other, pieces] = [read(memory), read(memory)];
  send(other, 200 * KIB);
  for (let count = 0; count < 2000; count += 1) send(pieces, 1);
  expect(await kindOf(pieces)).toBe('no-room');
  other.request.destroy();
  expect(await kindOf(other)).toBe('gone');
});
