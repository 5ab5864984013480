import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { EICAR } from '../../src/demo/eicar.ts';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { startProbedServer } from '../_util/health-server.ts';
import { probePort } from './probe.contract.ts';

const OPTIONS = 'ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: "x"\r\nEncapsulated: null-body=0\r\n\r\n';
const UNMODIFIED = 'ICAP/1.0 204 No Content\r\nISTag: "x"\r\n\r\n';
const BLOCK_PAGE = 'HTTP/1.1 403 Forbidden\r\n\r\n';
const BLOCKED =
  `ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n` +
  `Encapsulated: res-hdr=0, res-body=${BLOCK_PAGE.length}\r\n\r\n${BLOCK_PAGE}2\r\nno\r\n0\r\n\r\n`;
const FAILED = 'ICAP/1.0 500 Server error\r\n\r\n';

/** Answers each of the three conversations: OPTIONS, the harmless text, the test file. Keeps what was asked. */
function judging(clean: string | ((text: string) => string), infected: string | ((text: string) => string)) {
  const asked: string[] = [];
  const onConnection = (socket: Socket): void => {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      const isOptions = text.startsWith('OPTIONS');
      if (!text.endsWith(isOptions ? '\r\n\r\n' : '\r\n0\r\n\r\n')) return;
      asked.push(text);
      const answer = isOptions ? OPTIONS : text.includes(EICAR) ? infected : clean;
      socket.end(typeof answer === 'string' ? answer : answer(text), 'latin1');
    });
  };
  return { asked, onConnection };
}

const deep = { path: '/avscan', method: undefined };

describe('a server', () => {
  test('that judges content is well, whatever it judges', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    for (const method of ['REQMOD', 'RESPMOD'] as const) {
      expect(await probePort('icap', server.port, { deep: { path: '/avscan', method } })).toMatchObject({ ok: true });
    }
  });

  test('gets three connections, each announced as its last request', async () => {
    const { asked, onConnection } = judging(UNMODIFIED, BLOCKED);
    await using server = await startProbedServer(onConnection);
    expect(await probePort('icap', server.port, { path: '/avscan', deep })).toMatchObject({ ok: true });
    expect(asked.map((text) => text.slice(0, text.indexOf('\r\n')))).toEqual([
      `OPTIONS icap://127.0.0.1:${server.port}/avscan ICAP/1.0`,
      `REQMOD icap://127.0.0.1:${server.port}/avscan ICAP/1.0`,
      `REQMOD icap://127.0.0.1:${server.port}/avscan ICAP/1.0`,
    ]);
    for (const text of asked) expect(text).toContain('\r\nConnection: close\r\n');
    expect(asked[1]).toContain('\r\nAllow: 204\r\n');
  });

  test('that says it takes responses only is sent one', async () => {
    const { asked, onConnection } = judging(UNMODIFIED, BLOCKED);
    const respmod = OPTIONS.replace('REQMOD', 'RESPMOD');
    await using server = await startProbedServer((socket) => {
      onConnection(socket);
      socket.prependOnceListener('data', (bytes) => {
        if (bytes.toString('latin1').startsWith('OPTIONS')) socket.end(respmod);
      });
    });
    await probePort('icap', server.port, { deep });
    expect(asked.at(-1)).toMatch(/^RESPMOD .*\r\nEncapsulated: req-hdr=0, res-hdr=\d+, res-body=\d+\r\n/s);
  });

  test.each([
    {
      name: 'fails on all content',
      clean: FAILED,
      infected: FAILED,
      detail: "answered '500 Server error' to a harmless",
    },
    {
      name: 'fails on the test file',
      clean: UNMODIFIED,
      infected: FAILED,
      detail: "answered '500 Server error' to the",
    },
    {
      name: 'blocks everything',
      clean: BLOCKED,
      infected: BLOCKED,
      detail: "blocks a harmless text as 'Eicar' (REQMOD",
    },
    { name: 'lets everything pass', clean: UNMODIFIED, infected: UNMODIFIED, detail: 'lets the EICAR test file pass' },
  ])('that $name is not well although its OPTIONS is', async ({ clean, infected, detail }) => {
    await using server = await startProbedServer(judging(clean, infected).onConnection);
    expect(await probePort('icap', server.port, { deep })).toMatchObject({
      ok: false,
      reason: 'verdict',
      detail: expect.stringContaining(detail),
    });
  });

  test('that answers with what it got has not judged it', async () => {
    await using server = await startProbedServer(judging(echoed, echoed).onConnection);
    expect(await probePort('icap', server.port, { deep })).toMatchObject({ reason: 'verdict', detail: /pass/ });
  });

  test('that answers the test file with other fields has let it pass', async () => {
    const marked = (text: string): string => echoed(text.replace('POST', 'PUT'));
    await using server = await startProbedServer(judging(UNMODIFIED, marked).onConnection);
    expect(await probePort('icap', server.port, { deep })).toMatchObject({ reason: 'verdict' });
  });

  test('that puts another body in the place of the test file has stopped it', async () => {
    const replaced = (text: string): string => echoed(text).replace(EICAR, 'X'.repeat(EICAR.length));
    await using server = await startProbedServer(judging(echoed, replaced).onConnection);
    expect(await probePort('icap', server.port, { deep })).toMatchObject({ ok: true });
  });

  test('that adds a field to a harmless text is well', async () => {
    const marked = (text: string): string => echoed(text.replace('POST', 'PUT'));
    await using server = await startProbedServer(judging(marked, BLOCKED).onConnection);
    expect(await probePort('icap', server.port, { deep })).toMatchObject({ ok: true });
  });

  test.each([
    { name: 'closes without an answer', answer: '', reason: 'reset' },
    { name: 'closes in the middle of one', answer: BLOCKED.slice(0, -3), reason: 'reset' },
    { name: 'does not speak ICAP', answer: 'HTTP/1.1 200 OK\r\n\r\n', reason: 'protocol' },
    { name: 'answers with more than a page', answer: hugeAnswer(), reason: 'protocol' },
  ])('that $name is not well', async ({ answer, reason }) => {
    await using server = await startProbedServer(judging(UNMODIFIED, answer).onConnection);
    expect(await probePort('icap', server.port, { deep })).toMatchObject({ ok: false, reason });
  });
});

/** The 200 that returns a request unchanged. */
function echoed(text: string): string {
  const encapsulated = /Encapsulated: .*\r\n\r\n/.exec(text)?.[0] ?? '';
  const content = text.slice(text.indexOf(encapsulated) + encapsulated.length);
  const length = content.indexOf('\r\n\r\n') + 4;
  return `ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=${length}\r\n\r\n${content}`;
}

function hugeAnswer(): string {
  const bytes = 1024 * 1024 + 1;
  return (
    `ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=${BLOCK_PAGE.length}\r\n\r\n${BLOCK_PAGE}` +
    `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n0\r\n\r\n`
  );
}
