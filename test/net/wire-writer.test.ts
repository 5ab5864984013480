import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WireWriter } from '../../src/net/wire-writer.ts';

let near: Socket;
let far: Socket;

beforeEach(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  [far] = (await accepted) as [Socket];
  server.close();
});

afterEach(() => {
  near.destroy();
  far.destroy();
});

/** All that arrives until the end. */
async function arrived(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of far as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    // The sender runs full now and then.
    await nextTurn();
  }
  return Buffer.concat(chunks);
}

test('what is held leaves in one write with what follows at once', async () => {
  const writer = new WireWriter(near, false);
  const write = vi.spyOn(near, 'write');
  const record = Buffer.alloc(16_384, 1);
  for (let count = 0; count < 3; count += 1) {
    writer.add(record);
    expect(writer.hold()).toBe(true);
  }
  expect([write.mock.calls.length, writer.bytesWritten, writer.isEmpty]).toEqual([0, 0, false]);
  writer.add('end');
  writer.flush();
  near.end();
  expect([write.mock.calls.length, writer.bytesWritten, writer.isEmpty]).toEqual([1, 3 * 16_384 + 3, true]);
  expect((await arrived()).length).toBe(3 * 16_384 + 3);
});

test('what is held leaves by itself where nothing follows, in as few writes as it fits', async () => {
  const writer = new WireWriter(near, false);
  const write = vi.spyOn(near, 'write');
  for (let count = 0; count < 8; count += 1) {
    writer.add(Buffer.alloc(16_384, count));
    writer.hold();
  }
  await nextTurn();
  expect([write.mock.calls.length, writer.bytesWritten, writer.isEmpty]).toEqual([2, 8 * 16_384, true]);
});

test.each([
  ['somebody who has gone', () => near.destroy()],
  ['a connection that was ended', () => near.end()],
] as const)('what is held for %s is dropped', async (_, leave) => {
  const writer = new WireWriter(near, false);
  const errors = vi.fn();
  near.on('error', errors);
  const received = arrived();
  writer.add('nobody reads this');
  writer.hold();
  leave();
  expect((await received).length).toBe(0);
  await nextTurn();
  expect([errors.mock.calls, writer.bytesWritten, writer.isEmpty]).toEqual([[], 0, true]);
});

test.each(['hold', 'flush'])(
  'everything arrives in order, most of it by %s, and whatever becomes of the pieces then',
  async (most) => {
    const step = fc.record({
      bytes: fc.oneof(fc.nat(300), fc.constantFrom(16_384, 65_536, 81_920, 200_000)),
      isText: fc.boolean(),
      after: fc.constantFrom('nothing', 'hold', 'flush', 'turn', ...Array.from({ length: 8 }, () => most)),
    });
    const writer = new WireWriter(near, false);
    const sent: Buffer[] = [];
    let mark = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        let lent: Buffer[] = [];
        for (const { bytes, isText, after } of steps) {
          mark = (mark + 1) % 251;
          const piece = Buffer.alloc(bytes, mark);
          sent.push(Buffer.from(piece));
          writer.add(isText ? piece.toString('latin1') : piece);
          lent.push(piece);
          if (after === 'nothing') continue;
          if (after === 'hold') writer.hold();
          else writer.flush();
          for (const each of lent) each.fill(255);
          lent = [];
          if (after === 'turn') await nextTurn();
        }
        writer.flush();
      }),
      { numRuns: 60 },
    );
    // Nobody has read: the kernel has taken what it can, the middle of a write is the last of it.
    expect(near.writableLength).toBeGreaterThan(0);
    near.end();
    const all = Buffer.concat(sent);
    expect((await arrived()).equals(all)).toBe(true);
    expect(writer.bytesWritten).toBe(all.length);
  },
);
