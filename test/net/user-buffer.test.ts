import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { expect, test } from 'vitest';
import { readIntoUserBuffer } from '../../src/net/user-buffer.ts';

/** A connection: the end that is read, and the one that writes. */
async function startPair(): Promise<{ readonly reader: Socket; readonly writer: Socket } & AsyncDisposable> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const writer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [reader] = (await once(server, 'connection')) as [Socket];
  return {
    ...{ reader, writer },
    async [Symbol.asyncDispose]() {
      reader.destroy();
      writer.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('an accepted socket reads into the buffers it is given, and stops when told to', async () => {
  await using pair = await startPair();
  const { reader, writer } = pair;
  const buffers: Buffer[] = [];
  const received: Buffer[] = [];
  let onData = Promise.withResolvers<void>();
  const isUsed = readIntoUserBuffer(reader, {
    nextBuffer: () => {
      const buffer = Buffer.alloc(4);
      buffers.push(buffer);
      return buffer;
    },
    onData: (chunk) => {
      received.push(chunk);
      onData.resolve();
      return false;
    },
  });
  expect(isUsed).toBe(true);
  reader.resume();
  writer.write('abcdefgh');
  await onData.promise;
  expect(received.join()).toBe('abcd');
  expect(received[0]?.buffer).toBe(buffers[0]?.buffer);
  onData = Promise.withResolvers();
  reader.resume();
  await onData.promise;
  expect(received.join()).toBe('abcd,efgh');
  expect(received[1]?.buffer).toBe(buffers[1]?.buffer);
});

test('a socket with bytes that wait to be read is left as it is', async () => {
  await using pair = await startPair();
  const { reader, writer } = pair;
  writer.write('waiting');
  const options = { nextBuffer: () => Buffer.alloc(4), onData: () => true };
  reader.once('readable', () => {});
  await once(reader, 'readable');
  expect(readIntoUserBuffer(reader, options)).toBe(false);
  expect(reader.read()?.toString()).toBe('waiting');
});

test('a socket that is not connected is left as it is', () => {
  const socket = new Socket();
  expect(readIntoUserBuffer(socket, { nextBuffer: () => Buffer.alloc(4), onData: () => true })).toBe(false);
});
