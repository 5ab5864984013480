import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { startRelayRig } from '../_util/relay-rig.ts';

const userBuffer = vi.hoisted(() => ({ isAvailable: true, results: [] as boolean[] }));

vi.mock('../../src/net/user-buffer.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/net/user-buffer.ts')>();
  return {
    readIntoUserBuffer: (...args: Parameters<typeof original.readIntoUserBuffer>) => {
      const isUsed = userBuffer.isAvailable && original.readIntoUserBuffer(...args);
      userBuffer.results.push(isUsed);
      return isUsed;
    },
  };
});

beforeEach(() => {
  userBuffer.isAvailable = true;
  userBuffer.results.length = 0;
});

const BULK_BYTES = 8 * 1024 * 1024;
const BOTH = [{ tls: false }, { tls: true }] as const;

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** All that arrives until the other side has finished. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => {
    socket.once('end', () => resolve());
    socket.once('close', () => resolve());
  });
  return Buffer.concat(chunks);
}

/** That it closes, whatever error comes before it. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** As `readAll`, but it lets the sender run full again and again. */
async function readSlowly(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await pipeline(socket, async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) {
      chunks.push(chunk);
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  });
  return Buffer.concat(chunks);
}

describe.each([
  { tls: false, isAvailable: true },
  { tls: true, isAvailable: true },
  { tls: false, isAvailable: false },
  { tls: true, isAvailable: false },
])('bytes pass unchanged, TLS $tls, reading into own buffers $isAvailable', ({ tls, isAvailable }) => {
  beforeEach(() => {
    userBuffer.isAvailable = isAvailable;
  });

  test('in pieces of any size, both ways at once', async () => {
    // Full records of TLS are held for what follows them, if anything does.
    const records = fc.integer({ min: 1, max: 9 }).map((count) => randomBytes(count * 16_384));
    const piece = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40_000 }), records);
    const pieces = fc.array(piece, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, pieces, async (up, down) => {
        await using rig = await startRelayRig({ tls });
        const received = Promise.all([readAll(rig.backend), readAll(rig.client)]);
        for (const piece of up) rig.client.write(piece);
        for (const piece of down) rig.backend.write(piece);
        rig.client.end();
        rig.backend.end();
        const [atBackend, atClient] = await received;
        expect(digest(atBackend)).toBe(digest(Buffer.concat(up)));
        expect(digest(atClient)).toBe(digest(Buffer.concat(down)));
        await rig.ended;
        expect(rig.relay.bytesIn).toBe(atBackend.length);
        expect(rig.relay.bytesOut).toBe(atClient.length);
      }),
      { seed: 7, numRuns: 20 },
    );
  });

  test('in bulk, both ways at once, to sides that read slowly', async () => {
    await using rig = await startRelayRig({ tls });
    const [up, down] = [randomBytes(BULK_BYTES), randomBytes(BULK_BYTES)];
    const received = Promise.all([readSlowly(rig.backend), readSlowly(rig.client)]);
    rig.client.end(up);
    rig.backend.end(down);
    const [atBackend, atClient] = await received;
    expect(digest(atBackend)).toBe(digest(up));
    expect(digest(atClient)).toBe(digest(down));
    expect(await rig.ended).toMatch(/^(client|backend)$/);
    expect(userBuffer.results).toEqual([isAvailable]);
  });
});

describe.each(BOTH)('half-closed connections, TLS $tls', ({ tls }) => {
  test('the answer to a client that has finished still reaches it', async () => {
    await using rig = await startRelayRig({ tls });
    rig.client.end('question');
    expect((await readAll(rig.backend)).toString()).toBe('question');
    const answer = randomBytes(300_000);
    rig.backend.end(answer);
    expect(digest(await readAll(rig.client))).toBe(digest(answer));
    expect(await rig.ended).toBe('client');
  });

  test('a client may go on sending to a backend that has finished', async () => {
    await using rig = await startRelayRig({ tls });
    rig.backend.end('early answer');
    expect((await readAll(rig.client)).toString()).toBe('early answer');
    const rest = randomBytes(BULK_BYTES);
    rig.client.end(rest);
    expect(digest(await readSlowly(rig.backend))).toBe(digest(rest));
    expect(await rig.ended).toBe('backend');
  });
});

describe.each(BOTH)('the close timeout, TLS $tls', ({ tls }) => {
  test('ends a connection whose other side does not follow', async () => {
    await using rig = await startRelayRig({ tls, closeMs: 30 });
    rig.client.end();
    expect(await rig.ended).toBe('close-timeout');
  });

  test('begins again while bytes move', async () => {
    await using rig = await startRelayRig({ tls, closeMs: 150 });
    const startedMs = performance.now();
    rig.client.end();
    const received = readAll(rig.client);
    let sent = 0;
    const ticker = setInterval(() => {
      rig.backend.write('x');
      sent += 1;
      if (sent < 8) return;
      clearInterval(ticker);
      rig.backend.end();
    }, 50);
    expect((await received).length).toBe(8);
    expect(await rig.ended).toBe('client');
    expect(performance.now() - startedMs).toBeGreaterThan(300);
  });

  test('of 0 delivers what was received first', async () => {
    await using rig = await startRelayRig({ tls, closeMs: 0 });
    const answer = randomBytes(1_000_000);
    const received = readSlowly(rig.client);
    rig.backend.end(answer);
    expect(digest(await received)).toBe(digest(answer));
    expect(await rig.ended).toBe('backend');
  });

  test('also ends a connection whose client does not take the rest', async () => {
    await using rig = await startRelayRig({ tls, closeMs: 50 });
    const block = Buffer.alloc(64 * 1024);
    for (let turn = 0; turn < 500; turn += 1) rig.clientSide.write(block);
    rig.backend.end();
    expect(await rig.ended).toBe('close-timeout');
  });
});

describe.each(BOTH)('broken connections, TLS $tls', ({ tls }) => {
  test('a client that resets closes the backend connection', async () => {
    await using rig = await startRelayRig({ tls });
    rig.client.write('partial');
    await once(rig.backend, 'data');
    rig.resetClient();
    await readAll(rig.backend);
    expect(await rig.ended).toBe('client-reset');
  });

  test('what a backend sent before it reset reaches the client, and then the end', async () => {
    await using rig = await startRelayRig({ tls });
    rig.clientSide.cork();
    const arrived = closeOf(rig.backendSide);
    const answer = randomBytes(5000);
    await new Promise((resolve) => rig.backend.write(answer, resolve));
    while (rig.relay.bytesOut < answer.length) await new Promise((resolve) => setImmediate(resolve));
    const received = readAll(rig.client);
    rig.backend.resetAndDestroy();
    await arrived;
    rig.clientSide.uncork();
    expect(digest(await received)).toBe(digest(answer));
    expect(await rig.ended).toBe('backend-reset');
  });

  test('a program that ends before it has read everything has ended in good order', async () => {
    await using rig = await startRelayRig({ tls }, false);
    rig.relay.start(rig.backendSide, tls ? 'callback' : 'events', 'program');
    const answer = readAll(rig.client);
    rig.backend.write('all of the answer');
    await vi.waitFor(() => expect(rig.relay.bytesOut).toBe(17));
    rig.backend.resetAndDestroy();
    // What nobody takes any more is not in the way of the end.
    rig.client.end(Buffer.alloc(BULK_BYTES));
    expect((await answer).toString()).toBe('all of the answer');
    expect(await rig.ended).toBe('backend');
  });

  test('a bulk answer that ends with a reset arrives whole', async () => {
    await using rig = await startRelayRig({ tls });
    const answer = randomBytes(1_000_000);
    const received = readAll(rig.client);
    rig.backend.write(answer);
    while (rig.relay.bytesOut < answer.length) await new Promise((resolve) => setImmediate(resolve));
    rig.backend.resetAndDestroy();
    expect(digest(await received)).toBe(digest(answer));
    expect(await rig.ended).toBe('backend-reset');
  });

  test('a cut ends both sides at once', async () => {
    await using rig = await startRelayRig({ tls });
    rig.client.write('partial');
    await once(rig.backend, 'data');
    const ends = Promise.all([rig.client, rig.backend].map((peer) => readAll(peer)));
    rig.relay.cut('drain');
    await ends;
    expect(await rig.ended).toBe('drain');
    expect(rig.endCount()).toBe(1);
  });

  test.each(['clientSide', 'backendSide'] as const)('%s being destroyed at the start is told once', async (side) => {
    await using rig = await startRelayRig({ tls }, false);
    rig[side].destroy();
    rig.relay.start(rig.backendSide, tls ? 'callback' : 'events');
    await rig.ended;
    await Promise.all([rig.clientSide, rig.backendSide].map((each) => each.closed || closeOf(each)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(rig.endCount()).toBe(1);
  });
});
