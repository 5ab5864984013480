import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { BackendConnection } from '../../../src/gateway/icap/backend-connection.ts';
import type { AddressedMember } from '../../../src/health/membership.ts';
import { DEFAULT_ICAP_LIMITS } from '../../../src/icap/limits.ts';

const UNMODIFIED = 'ICAP/1.0 204 Unmodified\r\nISTag: "x"\r\n\r\n';
const CONTINUE = 'ICAP/1.0 100 Continue\r\n\r\n';
const HEAD_WITH_BODY = 'ICAP/1.0 200 OK\r\nISTag: "x"\r\nEncapsulated: res-body=0\r\n\r\n';
const MIB = 1024 * 1024;

describe('a loss before the answer', () => {
  test.each([
    ['in good order is closed', (far: Socket) => far.end(), 'closed'],
    ['by a reset is reset', (far: Socket) => far.resetAndDestroy(), 'reset'],
    ['inside its head is closed', (far: Socket) => far.end('ICAP/1.0 20'), 'closed'],
    ['by something that is not ICAP is malformed', (far: Socket) => far.write('HTTP/1.1 200 OK\r\n\r\n'), 'malformed'],
    [
      'by an answer to something else is malformed',
      (far: Socket) => far.write('ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, res-hdr=18, null-body=37\r\n\r\n'),
      'malformed',
    ],
    ['inside its body is closed', (far: Socket) => far.end(`${HEAD_WITH_BODY}5\r\nhe`), 'closed'],
  ] as const)('%s', async (_, act, loss) => {
    await using pair = await open();
    pair.begin();
    act(pair.far);
    await expect.poll(() => pair.told.at(-1)).toBe(`lost ${loss}`);
    expect(pair.idleLosses).toBe(0);
  });

  test('counts after a 100, which is no answer', async () => {
    await using pair = await open();
    pair.begin();
    pair.far.write(CONTINUE);
    await expect.poll(() => pair.told).toContain('end');
    pair.near.expectAnother();
    pair.far.end();
    await expect.poll(() => pair.told.at(-1)).toBe('lost closed');
  });

  test.each([
    ['a byte of which has come', 'ICAP', true],
    ['no byte of which has come', '', false],
  ])('of an answer, %s, is told apart on a kept connection', async (_, bytes, hasReceived) => {
    await using pair = await open();
    pair.begin();
    pair.far.write(UNMODIFIED);
    await expect.poll(() => pair.told).toContain('end');
    expect([pair.near.isReused, pair.near.hasReceived, pair.near.endRequest()]).toEqual([false, true, true]);
    pair.begin();
    expect([pair.near.isReused, pair.near.hasReceived]).toEqual([true, false]);
    pair.far.end(bytes);
    await expect.poll(() => pair.told.at(-1)).toBe('lost closed');
    expect(pair.near.hasReceived).toBe(hasReceived);
  });
});

describe('a loss after the whole answer', () => {
  test('in good order is no news, but it serves no other request', async () => {
    await using pair = await open();
    pair.begin();
    pair.far.end(UNMODIFIED);
    await once(pair.socket, 'end');
    expect(pair.told.filter((text) => text.startsWith('lost'))).toEqual([]);
    expect([pair.near.isGone, pair.near.endRequest()]).toEqual([false, false]);
  });

  test('by a reset wakes who waits for it to take more of the request', async () => {
    await using pair = await open();
    pair.far.pause();
    pair.begin();
    pair.near.writer.add(Buffer.alloc(16 * MIB));
    expect(pair.near.writer.flush()).toBe(false);
    pair.far.write(UNMODIFIED);
    await expect.poll(() => pair.told).toContain('end');
    expect([pair.near.isBlocked, pair.near.isGone]).toEqual([true, false]);
    pair.far.resetAndDestroy();
    await expect.poll(() => pair.told.at(-1)).toBe('drain');
    expect(pair.near.isGone).toBe(true);
    expect(pair.told.filter((text) => text.startsWith('lost'))).toEqual([]);
  });
});

describe('a kept connection', () => {
  test('gives one answer after the other, the one after a 100 too', async () => {
    await using pair = await open();
    for (let count = 1; count <= 3; count += 1) {
      pair.begin();
      pair.far.write(CONTINUE);
      await expect.poll(() => pair.told).toHaveLength(4 * count - 2);
      pair.near.expectAnother();
      expect(pair.near.endRequest()).toBe(false);
      pair.begin();
      pair.far.write(UNMODIFIED);
      await expect.poll(() => pair.told).toHaveLength(4 * count);
      expect(pair.near.endRequest()).toBe(true);
    }
    expect(pair.told).toEqual(Array(6).fill(['head', 'end']).flat());
  });

  test('that was tainted serves no other request', async () => {
    await using pair = await open();
    pair.begin();
    pair.near.taint();
    pair.far.write(UNMODIFIED);
    await expect.poll(() => pair.told).toContain('end');
    expect(pair.near.endRequest()).toBe(false);
  });

  test('that has not sent its whole request serves no other one', async () => {
    await using pair = await open();
    pair.far.pause();
    pair.begin();
    pair.near.writer.add(Buffer.alloc(16 * MIB));
    expect(pair.near.writer.flush()).toBe(false);
    pair.far.write(UNMODIFIED);
    await expect.poll(() => pair.told).toContain('end');
    expect(pair.near.endRequest()).toBe(false);
  });
});

describe('an idle connection', () => {
  test.each([
    ['closes', (far: Socket) => far.end()],
    ['speaks unasked', (far: Socket) => far.write('ICAP/1.0 408 Request Timeout\r\n\r\n')],
  ] as const)('that %s is told to its keeper once', async (_, act) => {
    await using pair = await open();
    act(pair.far);
    await once(pair.socket, 'close');
    expect([pair.idleLosses, pair.told]).toEqual([1, []]);
  });

  test('serves no other request with surplus bytes behind its answer', async () => {
    await using pair = await open();
    pair.begin();
    pair.far.write(`${UNMODIFIED}0\r\n\r\n`);
    await expect.poll(() => pair.told).toContain('end');
    expect(pair.near.endRequest()).toBe(false);
  });
});

interface Pair extends AsyncDisposable {
  readonly near: BackendConnection;
  /** The socket of `near`. */
  readonly socket: Socket;
  readonly far: Socket;
  /** What the handlers of the requests were told. */
  readonly told: readonly string[];
  readonly idleLosses: number;
  begin(): void;
}

/** A connection to a backend, and its other end. */
async function open(): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  let near: BackendConnection | undefined;
  const socket = connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    onread: {
      buffer: Buffer.alloc(64 * 1024),
      callback: (count, buffer) => near?.receive(Buffer.from(buffer.subarray(0, count))) ?? false,
    },
  });
  await once(socket, 'connect');
  const [far] = (await accepted) as [Socket];
  far.on('error', () => {});
  const told: string[] = [];
  let idleLosses = 0;
  near = new BackendConnection({
    socket,
    member: {} as AddressedMember,
    identity: undefined,
    limits: DEFAULT_ICAP_LIMITS,
    onIdleLoss: () => {
      idleLosses += 1;
    },
  });
  const connection = near;
  return {
    near,
    socket,
    far,
    told,
    get idleLosses() {
      return idleLosses;
    },
    begin: () =>
      connection.begin('REQMOD', {
        onEvent: ({ type }) => told.push(type),
        onPause: () => {},
        onLost: (loss) => told.push(`lost ${loss}`),
        onDrain: () => told.push('drain'),
      }),
    async [Symbol.asyncDispose]() {
      connection.destroy();
      far.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
