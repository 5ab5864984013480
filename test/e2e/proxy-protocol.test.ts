import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RejectReason } from '../../src/observe/labels.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { greet, readUntil } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { IPV4_BLOCK, v2 } from '../_util/proxy-bytes.ts';

let backend: RecordingBackend;
let gateway: RunningGateway;

beforeAll(async () => {
  backend = await startRecordingBackend();
  const service = (name: string, more: object): object => ({
    name,
    listen: '127.0.0.1:0',
    protocol: 'tunnel',
    tls: 'off',
    health: { type: 'none' },
    backends: [{ address: `127.0.0.1:${backend.port}` }],
    ...more,
  });
  const trusted = ['127.0.0.1'];
  gateway = await startGateway({
    workers: 2,
    services: [
      service('v1', { 'proxy-protocol': { accept: 'v1', from: trusted } }),
      service('v2', { 'proxy-protocol': { accept: 'v2', from: trusted } }),
      service('untrusted', { 'proxy-protocol': { accept: 'v1', from: ['192.0.2.0/24'] } }),
      service('hasty', { 'proxy-protocol': { accept: 'v1', from: trusted }, timeouts: { handshake: '50ms' } }),
      service('listed', {
        'proxy-protocol': { accept: 'v1', from: trusted },
        'allow-from': ['192.0.2.0/24'],
        'deny-from': ['192.0.2.66'],
      }),
      service('per-source', {
        'proxy-protocol': { accept: 'v1', from: trusted },
        limits: { 'connections-per-source': 3 },
      }),
      service('per-second', {
        'proxy-protocol': { accept: 'v1', from: trusted },
        limits: { 'handshakes-per-source': '5/s' },
      }),
      service('few', { limits: { connections: 7 } }),
      service('denied', { 'deny-from': ['127.0.0.0/8'] }),
      service('send-v1', { 'proxy-protocol': { send: 'v1' } }),
      service('send-v2', { 'proxy-protocol': { send: 'v2' } }),
      service('hand-on', { 'proxy-protocol': { accept: 'v1', from: trusted, send: 'v2' } }),
    ],
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

async function dial(service: string, header: Buffer | string = ''): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: gateway.port(service) });
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  if (header.length > 0) socket.write(header);
  return socket;
}

function v1(source: string, port = 1000): string {
  return `PROXY TCP4 ${source} 198.51.100.2 ${port} 2000\r\n`;
}

function rejections(service: string, reason: RejectReason): Promise<number> {
  return gateway.metric('icapgw_connections_rejected_total', { service, reason });
}

describe('the client that a PROXY header names', () => {
  test.each([
    ['v1', Buffer.from(v1('192.0.2.1')), '192.0.2.1:1000'],
    ['v2', v2({ payload: IPV4_BLOCK }), '192.0.2.1:1000'],
    ['v1', Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 1000 2000\r\n'), '[2001:db8::1]:1000'],
  ] as const)('stands in the log: %s', async (service, header, client) => {
    const { isServed } = await greet(await dial(service, header));
    expect(isServed).toBe(true);
    await gateway.waitForEvent('connection-accepted', (event) => event.service === service && event.client === client);
    expect(backend.received.at(-1)?.toString()).toBe('hello\n');
  });

  test('is the proxy itself in health checks of the proxy', async () => {
    for (const [service, header] of [
      ['v1', Buffer.from('PROXY UNKNOWN\r\n')],
      ['v2', v2({ versionAndCommand: 0x20, family: 0 })],
    ] as const) {
      const socket = await dial(service, header);
      const { localPort } = socket;
      expect((await greet(socket)).isServed).toBe(true);
      await gateway.waitForEvent('connection-accepted', (event) => event.client === `127.0.0.1:${localPort}`);
    }
  });

  test('is the one that allow-from and deny-from judge', async () => {
    const before = await rejections('listed', 'denied');
    expect((await greet(await dial('listed', v1('192.0.2.1')))).isServed).toBe(true);
    expect((await greet(await dial('listed', v1('192.0.2.66')))).isServed).toBe(false);
    expect((await greet(await dial('listed', v1('203.0.113.1')))).isServed).toBe(false);
    expect(await rejections('listed', 'denied')).toBe(before + 2);
  });
});

describe('a connection is refused before it costs a backend when its PROXY header', () => {
  test.each<readonly [string, string, Buffer]>([
    ['comes from who is not trusted', 'untrusted', Buffer.from(v1('192.0.2.1'))],
    ['is malformed', 'v1', Buffer.from('PROXY TCP4 999.0.2.1 198.51.100.2 1000 2000\r\n')],
    ['is oversized', 'v1', Buffer.alloc(4096, 'PROXY TCP4 ')],
    ['is missing', 'v1', Buffer.from('OPTIONS icap://x/ ICAP/1.0\r\n\r\n')],
    ['is of the other version', 'v1', v2({ payload: IPV4_BLOCK })],
    ['is of the other version again', 'v2', Buffer.from(v1('192.0.2.1'))],
    ['says more than it holds', 'v2', v2({ payload: IPV4_BLOCK, length: 0xffff })],
    ['is shorter than its addresses', 'v2', v2({ payload: IPV4_BLOCK.subarray(0, 4) })],
    ['does not come in time', 'hasty', Buffer.from('PROXY TCP4 192.0')],
  ])('%s', async (_, service, header) => {
    const before = await rejections(service, 'proxy-protocol');
    const connections = backend.received.length;
    const socket = await dial(service, header);
    expect(await readUntil(socket, 'echo:')).toBe('');
    await expect.poll(() => rejections(service, 'proxy-protocol')).toBe(before + 1);
    expect(backend.received.length).toBe(connections);
  });
});

describe('a backend sees as its first bytes', () => {
  test('a line of version 1', async () => {
    const socket = await dial('send-v1');
    const { localPort } = socket;
    expect((await greetPastHeader(socket)).includes('hello\n')).toBe(true);
    const [line, rest] = String(backend.received.at(-1)).split('\r\n');
    expect({ line, rest }).toEqual({
      line: `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${gateway.port('send-v1')}`,
      rest: 'hello\n',
    });
  });

  test('a header of version 2', async () => {
    const socket = await dial('send-v2');
    const ports = Buffer.alloc(4);
    ports.writeUInt16BE(socket.localPort ?? 0);
    ports.writeUInt16BE(gateway.port('send-v2'), 2);
    await greetPastHeader(socket);
    const header = v2({ payload: Buffer.concat([Buffer.from([127, 0, 0, 1, 127, 0, 0, 1]), ports]) });
    expect(backend.received.at(-1)).toEqual(Buffer.concat([header, Buffer.from('hello\n')]));
  });

  test('the client that came in by another PROXY header', async () => {
    await greetPastHeader(await dial('hand-on', v1('192.0.2.1')));
    expect(backend.received.at(-1)).toEqual(Buffer.concat([v2({ payload: IPV4_BLOCK }), Buffer.from('hello\n')]));
  });
});

/** As `greet`, where the echo begins with the PROXY header. */
async function greetPastHeader(socket: Socket): Promise<string> {
  socket.write('hello\n');
  const answer = await readUntil(socket, 'hello\n');
  socket.destroy();
  return answer;
}

describe('across two workers, exactly', () => {
  test('so many connections are served at a time', async () => {
    const sockets = await Promise.all(Array.from({ length: 30 }, () => dial('few')));
    const answers = await Promise.all(sockets.map(ask));
    expect(answers.filter(Boolean).length).toBe(7);
    expect(await rejections('few', 'service-limit')).toBe(23);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => gateway.metric('icapgw_connections_active', { service: 'few' })).toBe(0);
    expect((await greet(await dial('few'))).isServed).toBe(true);
  });

  test('so many connections of one source are served, and another source is not held back', async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => dial('per-source', v1('192.0.2.1'))));
    const answers = await Promise.all(sockets.map(ask));
    expect(answers.filter(Boolean).length).toBe(3);
    expect(await rejections('per-source', 'source-limit')).toBe(17);
    expect((await greet(await dial('per-source', v1('192.0.2.2')))).isServed).toBe(true);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => gateway.metric('icapgw_connections_active', { service: 'per-source' })).toBe(0);
    expect((await greet(await dial('per-source', v1('192.0.2.1')))).isServed).toBe(true);
  });

  test('so many handshakes of one source are begun in a second', async () => {
    const startedMs = performance.now();
    const visits = Array.from(
      { length: 20 },
      async () => (await greet(await dial('per-second', v1('192.0.2.1')))).isServed,
    );
    const served = (await Promise.all(visits)).filter(Boolean).length;
    const elapsedMs = performance.now() - startedMs;
    expect(served).toBeGreaterThanOrEqual(5);
    expect(served).toBeLessThanOrEqual(Math.min(20, 5 + Math.ceil(elapsedMs / 200)));
    expect(await rejections('per-second', 'handshake-rate')).toBe(20 - served);
    expect((await greet(await dial('per-second', v1('192.0.2.2')))).isServed).toBe(true);
  });

  test('nobody whom deny-from names', async () => {
    const socket = await dial('denied');
    expect((await greet(socket)).isServed).toBe(false);
    expect(await rejections('denied', 'denied')).toBe(1);
  });
});

/** Greets and keeps the connection. */
async function ask(socket: Socket): Promise<boolean> {
  socket.write('hello\n');
  return (await readUntil(socket, 'echo:')).includes('echo:');
}
