import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { createProbe } from '../../src/health/create-probe.ts';
import { createDial, startProbedServer, startSecureProbedServer } from '../_util/health-server.ts';
import { expectation } from '../_util/health-target.ts';
import { describeProbe, probePort, probeSilence } from './probe.contract.ts';

const OK = 'ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: "x"\r\nEncapsulated: null-body=0\r\n\r\n';

/** Answers the first bytes of every connection with `answer` and leaves the connection open. */
function answering(answer: string): (socket: Socket) => void {
  return (socket) => {
    socket.once('data', () => socket.write(answer, 'latin1'));
  };
}

describe('the icap probe', () => {
  describeProbe('icap', () => startProbedServer(answering(OK)));

  test.each([
    { path: undefined, line: 'OPTIONS icap://127.0.0.1:PORT/ ICAP/1.0' },
    { path: '/avscan', line: 'OPTIONS icap://127.0.0.1:PORT/avscan ICAP/1.0' },
  ])('it asks $line', async ({ path, line }) => {
    const asked = Promise.withResolvers<string>();
    await using server = await startProbedServer((socket) => {
      socket.once('data', (bytes) => {
        asked.resolve(bytes.toString('latin1'));
        socket.end(OK);
      });
    });
    await probePort('icap', server.port, path === undefined ? {} : { path });
    const [requestLine, ...fields] = (await asked.promise).split('\r\n');
    expect(requestLine).toBe(line.replace('PORT', `${server.port}`));
    expect(fields).toEqual([`Host: 127.0.0.1:${server.port}`, 'User-Agent: icapgw', 'Connection: close', '', '']);
  });

  test.each([
    { name: 'the 404 that c-icap gives to /', answer: 'ICAP/1.0 404 Service not found\r\n\r\n' },
    { name: 'an overloaded server', answer: 'ICAP/1.0 503 Service Overloaded\r\n\r\n' },
    { name: 'a status without a reason', answer: 'ICAP/1.0 200\r\n\r\n' },
    { name: 'bare line feeds', answer: 'ICAP/1.0 200 OK\nISTag: x\n\n' },
    { name: 'fields that are none', answer: 'ICAP/1.0 200 OK\r\nno colon here\r\n\r\n' },
  ])('without a path any ICAP answer is a sign of life: $name', async ({ answer }) => {
    await using server = await startProbedServer(answering(answer));
    expect(await probePort('icap', server.port)).toMatchObject({ ok: true });
  });

  test.each([
    { answer: 'ICAP/1.0 204 No Content\r\n\r\n', passes: true },
    { answer: 'ICAP/1.0 404 Service not found\r\n\r\n', passes: false },
    { answer: 'ICAP/1.0 503 Service Overloaded\r\n\r\n', passes: false },
  ])('with a path $answer passes: $passes', async ({ answer, passes }) => {
    await using server = await startProbedServer(answering(answer));
    const result = await probePort('icap', server.port, { path: '/reqmod' });
    expect(result.ok).toBe(passes);
    if (!result.ok) {
      expect(result.reason).toBe('status');
      expect(result.detail).toBe(`answered '${answer.trim()}' to OPTIONS /reqmod`);
    }
  });

  test('an answer in single bytes is read', async () => {
    await using server = await startProbedServer((socket) => {
      socket.setNoDelay(true);
      socket.once('data', () => {
        for (const byte of OK) socket.write(byte);
      });
    });
    expect(await probePort('icap', server.port)).toMatchObject({ ok: true });
  });

  test.each([
    { lists: 'REQMOD', passes: true },
    { lists: 'RESPMOD, reqmod', passes: true },
    { lists: 'RESPMOD', passes: false },
    { lists: '', passes: false },
  ])('a path that a route needs REQMOD of and that lists "$lists" passes: $passes', async ({ lists, passes }) => {
    await using server = await startProbedServer(answering(OK.replace('REQMOD', lists)));
    const result = await probePort('icap', server.port, { path: '/scan', methods: ['REQMOD'] });
    const detail = 'its OPTIONS /scan does not list REQMOD, which a route needs';
    expect(result).toMatchObject(passes ? { ok: true } : { ok: false, reason: 'status', detail });
  });

  test('a path that is answered with fields nobody can read fails', async () => {
    await using server = await startProbedServer(answering('ICAP/1.0 200 OK\r\nno colon here\r\n\r\n'));
    expect(await probePort('icap', server.port, { path: '/scan' })).toMatchObject({ reason: 'protocol' });
  });

  test.each([
    { name: 'a 2xx', answer: OK.replace('ISTag', 'Max-Connections: 20\r\nISTag'), told: [20] },
    { name: 'a 2xx that fails the check', answer: OK.replace('REQMOD', 'RESPMOD'), told: [undefined] },
    { name: 'a 404', answer: 'ICAP/1.0 404 Not Found\r\nMax-Connections: 20\r\n\r\n', told: [] },
  ])('it passes on what the member says of itself: $name', async ({ answer, told }) => {
    await using server = await startProbedServer(answering(answer));
    const limits: (number | undefined)[] = [];
    await probePort('icap', server.port, {
      ...{ path: '/scan', methods: ['REQMOD'] },
      onOptions: ({ maxConnections }) => limits.push(maxConnections),
    });
    expect(limits).toEqual(told);
  });

  test.each([
    { name: 'HTTP', answer: 'HTTP/1.1 400 Bad Request\r\n\r\n', detail: "'HTTP/1.1 400 Bad Request'" },
    { name: 'another version', answer: 'ICAP/2.0 200 OK\r\n\r\n', detail: "'ICAP/2.0 200 OK'" },
    { name: 'control bytes', answer: '\x1b[2J\x00\xff\r\n\r\n', detail: "'[2J'" },
    { name: 'a very long line', answer: `${'x'.repeat(5_000)}\r\n\r\n`, detail: `'${'x'.repeat(200)}...'` },
  ])('an answer that is not ICAP is a protocol failure: $name', async ({ answer, detail }) => {
    await using server = await startProbedServer(answering(answer));
    expect(await probePort('icap', server.port)).toMatchObject({
      ok: false,
      reason: 'protocol',
      detail: `answered ${detail}, which is not ICAP`,
    });
  });

  test.each([
    { bytes: 8_192, passes: true },
    { bytes: 8_193, passes: false },
  ])('a head of $bytes bytes passes: $passes', async ({ bytes, passes }) => {
    const [start, end] = ['ICAP/1.0 200 OK\r\nX: ', '\r\n\r\n'];
    await using server = await startProbedServer(
      answering(`${start}${'x'.repeat(bytes - start.length - end.length)}${end}`),
    );
    const result = await probePort('icap', server.port);
    expect(result).toMatchObject(passes ? { ok: true } : { ok: false, reason: 'protocol' });
  });

  test('an endless answer is cut off', async () => {
    await using server = await startProbedServer((socket) => {
      const pour = () => {
        while (socket.writable && socket.write(Buffer.alloc(16_384, 'x')));
      };
      socket.once('data', pour);
      socket.on('drain', pour);
    });
    expect(await probePort('icap', server.port)).toMatchObject({ ok: false, reason: 'protocol' });
  });

  test('a member that accepts and never answers is down', async () => {
    await using server = await startProbedServer();
    expect(await probeSilence('icap', server.port)).toMatchObject({
      ok: false,
      reason: 'timeout',
      detail: 'no answer within 20 ms',
    });
  });

  test.each([
    { name: 'nothing', answer: '', reason: 'reset' },
    { name: 'half an answer', answer: 'ICAP/1.0 200 OK\r\n', reason: 'protocol' },
  ])('a member that closes after $name is down', async ({ answer, reason }) => {
    await using server = await startProbedServer((socket) => socket.end(answer));
    expect(await probePort('icap', server.port)).toMatchObject({ ok: false, reason });
  });

  test('a member that resets the connection is down', async () => {
    await using server = await startProbedServer((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    expect(await probePort('icap', server.port)).toMatchObject({
      ok: false,
      reason: 'reset',
      detail: expect.stringContaining('ECONNRESET'),
    });
  });

  test('an owner who gives up in the middle leaves no socket behind', async () => {
    const owner = new AbortController();
    await using server = await startProbedServer((socket) => {
      socket.once('data', () => owner.abort(new Error('drain')));
    });
    const { dial, sockets } = createDial(server.port);
    const probe = createProbe('icap', { dial, icap: expectation() });
    await expect(probe({ timeoutMs: 10_000, signal: owner.signal })).rejects.toThrow('drain');
    expect(sockets.map((socket) => socket.destroyed)).toEqual([true]);
  });

  test('it runs over the TLS that the dialer has opened', async () => {
    await using server = await startSecureProbedServer(answering(OK));
    const dial = async () => {
      const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return socket;
    };
    const probe = createProbe('icap', { dial, icap: expectation() });
    expect(await probe({ timeoutMs: 10_000, signal: new AbortController().signal })).toMatchObject({ ok: true });
    expect(await server.closed).toBe('ended');
  });
});
