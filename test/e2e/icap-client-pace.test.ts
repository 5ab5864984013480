import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ExchangeScript } from '../_util/icap-script-backend.ts';
import { answer, blocked, HTTP_POST, options, reqmod, rest } from '../_util/icap-script-message.ts';
import { REFUSED_ADDRESS, type Rig, startRig } from '../_util/icap-script-rig.ts';

const MIB = 1024 * 1024;
const PAGE = 'x'.repeat(250 * 1024);
/** More than the buffers of the kernel take on both sides. */
const LONG = blocked('x'.repeat(16 * MIB)).subarray(0, -100);
const IMPATIENT = { 'body-idle': '400ms' };

type Scenario = 'pages' | 'options' | 'measured' | 'close' | 'total' | 'eager' | 'pipelined';

let folder: string;
let rig: Rig<Scenario>;
let blocking: object;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'icapgw-pace-'));
  const page = join(folder, 'page.html');
  writeFileSync(page, PAGE);
  blocking = { 'when-down': 'block', 'block-page': page };
  rig = await startRig<Scenario>({
    pages: {
      backends: [{ address: REFUSED_ADDRESS }],
      config: { ...blocking, timeouts: IMPATIENT },
    },
    options: { config: { timeouts: IMPATIENT } },
    measured: {},
    close: { config: blocking },
    total: { config: { timeouts: { total: '800ms', response: '800ms', 'body-idle': '1s' } } },
    eager: { config: { timeouts: { 'body-idle': '2s' } } },
    pipelined: {},
  });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe('a client that sends requests and never reads', () => {
  test.each([
    ['pages', reqmod({ preview: 0 }), 1200],
    ['options', options(), 300_000],
  ] as const)('is held back after its first %s, and cut after body-idle', async (service, request, count) => {
    const before = await rig.gateway.metric('process_resident_memory_bytes');
    const socket = connect(rig.gateway.port(service), '127.0.0.1');
    socket.on('error', () => {});
    socket.pause();
    socket.write(Buffer.concat(Array<Buffer>(count).fill(request)));
    const reasons = (): readonly string[] => closingsOf(service).map(({ reason }) => reason);
    await expect.poll(reasons, { timeout: 6_000 }).toEqual(['request-timeout']);
    socket.destroy();
    const grownBytes = (await rig.gateway.metric('process_resident_memory_bytes')) - before;
    expect(grownBytes).toBeLessThan(150 * MIB);
    // What it does not read is not worked on either.
    expect(await rig.gateway.metric('icapgw_icap_requests_total', { service })).toBeLessThan(count / 2);
  });
});

describe('a client that reads slowly', () => {
  /** What the kernel takes for a client that does not read, and a little more. */
  let takenBytes = 0;

  beforeAll(async () => {
    rig.backend('measured').script = sending(LONG);
    await using client = await rig.connect('measured');
    client.socket.pause();
    await client.send(reqmod({ body: 'document' }));
    await vi.waitFor(
      async () => {
        const before = takenBytes;
        takenBytes = await rig.gateway.metric('icapgw_bytes_total', { service: 'measured', direction: 'sent' });
        expect(takenBytes).toBeGreaterThan(0);
        expect(takenBytes).toBe(before);
      },
      { interval: 300, timeout: 5_000 },
    );
  });

  test.concurrent('gets its whole last answer before its connection closes', async ({ expect }) => {
    const page = await readLate(rig, 'close', takenBytes, ['Connection: close']);
    expect(page).toHaveLength(PAGE.length);
    await expect.poll(() => closingsOf('close').map(({ reason }) => reason)).toEqual(['client']);
  });

  test.concurrent('gets it during a drain too, which waits for that', async ({ expect }) => {
    await using small = await startRig({ draining: { config: blocking } });
    const page = await readLate(small, 'draining', takenBytes, [], async () => {
      small.gateway.signal('SIGTERM');
      await small.gateway.waitForEvent('draining');
    });
    expect(page).toHaveLength(PAGE.length);
    expect(await small.gateway.exited).toEqual({ code: 0, signal: null });
  });

  test.runIf(process.platform === 'linux')('or not at all costs no socket after body-idle', async () => {
    rig.backend('total').script = sending(LONG);
    await using client = await rig.connect('total');
    client.socket.pause();
    await client.send(reqmod({ body: 'document' }));
    await rig.gateway.waitForEvent('icap-answer-aborted', ({ service }) => service === 'total');
    await rig.gateway.waitForEvent('connection-closed', ({ service }) => service === 'total');
    const { localPort = 0 } = client.socket;
    await expect.poll(() => isHeld(rig.gateway.port('total'), localPort), { timeout: 4_000 }).toBe(false);
  });
});

describe('a client that does not wait', () => {
  test('for the 100 after its preview is answered all the same', async () => {
    const body = Buffer.alloc(300_000, 'document ');
    rig.backend('eager').script = async (exchange) => {
      await exchange.arrived();
      const all = await exchange.body();
      exchange.send(answer(200, [], { 'req-hdr': HTTP_POST, body: all }));
    };
    await using client = await rig.connect('eager');
    // In one write: what follows the preview is in the gateway before it is asked for.
    const sent = client.send(Buffer.concat([reqmod({ preview: 1000, body }), rest(body, 1000)]));
    expect((await client.answer()).status).toBe(100);
    const { status, body: received } = await client.answer();
    expect([status, received.equals(body)]).toEqual([200, true]);
    await sent;
  });

  test('for its answers and ends its side after three requests gets all three', async () => {
    await using client = await rig.connect('pipelined');
    const request = reqmod({ preview: 0 });
    await client.send(Buffer.concat([request, request, request]));
    client.finish();
    for (let turn = 0; turn < 3; turn += 1) expect((await client.answer()).status).toBe(204);
    expect(await client.gone).toBe('fin');
  });
});

/** An answer that does not end. */
function sending(bytes: Buffer): ExchangeScript {
  return async (exchange) => {
    await exchange.body();
    exchange.send(bytes);
    await exchange.stall();
  };
}

interface Closing {
  readonly reason: string;
  readonly bytesIn: number;
}

function closingsOf(service: Scenario): readonly Closing[] {
  return rig.gateway.events.filter(
    (logged): logged is typeof logged & Closing & { service: string } =>
      logged.event === 'connection-closed' && 'service' in logged && logged.service === service,
  );
}

/** Whether a process has a socket for the connection, seen from the side of `port`. The kernel may deliver for longer. */
function isHeld(port: number, peerPort: number): boolean {
  const hex = (number: number): string => number.toString(16).toUpperCase().padStart(4, '0');
  const ends = `0100007F:${hex(port)} 0100007F:${hex(peerPort)} `;
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .find((text) => text.includes(ends));
  const inode = line?.trim().split(/ +/)[9];
  return inode !== undefined && inode !== '0';
}

/**
 * The page that a client gets as its last answer when it does not read for longer than one is waited for that has nothing
 * left to read. The answer before fills the buffers of the kernel, so that most of the page has to wait in the gateway.
 */
async function readLate<Name extends string>(
  { backend, connect: dial }: Rig<Name>,
  service: Name,
  takenBytes: number,
  lines: readonly string[],
  beforeLast: () => Promise<void> = async () => {},
): Promise<Buffer> {
  backend(service).script = async (exchange) => {
    await exchange.body();
    const [first, last] = backend(service).exchanges;
    if (exchange === first) {
      exchange.send(blocked('x'.repeat(takenBytes - PAGE.length / 2)));
      return;
    }
    if (exchange === last) await beforeLast();
    exchange.reset();
  };
  await using client = await dial(service);
  client.socket.pause();
  await client.send(Buffer.concat([reqmod({ body: 'first' }), reqmod({ lines, body: 'last' })]));
  await delay(3_000);
  client.socket.resume();
  await client.answer();
  const { body } = await client.answer();
  await client.gone;
  return body;
}
