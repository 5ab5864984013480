import { describe, expect, test } from 'vitest';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { answering, echo, startScriptBackend } from './icap-script-backend.ts';
import { AnswerCut, connectScriptClient } from './icap-script-client.ts';
import {
  answer,
  blocked,
  HTTP_FORBIDDEN,
  HTTP_GET,
  HTTP_OK,
  HTTP_POST,
  options,
  reqmod,
  respmod,
  rest,
} from './icap-script-message.ts';

const EICAR = 'X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-' + 'FILE!$H+H*';

describe('a scripted client and a scripted backend', () => {
  test('exchange several requests on one connection, and keep what the other side sent', async () => {
    await using backend = await startScriptBackend();
    await using client = await connectScriptClient(backend.port);
    expect((await client.ask(options())).field('methods')).toBe('REQMOD, RESPMOD');
    expect((await client.ask(reqmod({ preview: 4, body: 'body' }))).status).toBe(204);
    expect((await client.ask(reqmod({ preview: 0, 'req-hdr': HTTP_GET }))).status).toBe(204);
    const same = await client.ask(respmod({ body: 'a page' }));
    expect([same.status, same.section('res-hdr'), same.body.toString()]).toEqual([200, HTTP_OK, 'a page']);
    expect(same.field('encapsulated')).toBe(`res-hdr=0, res-body=${HTTP_OK.length}`);

    expect(backend.connections).toHaveLength(1);
    expect(backend.connections[0]?.isPipelined).toBe(false);
    expect(backend.options).toHaveLength(1);
    const [first, second, third] = backend.exchanges;
    expect([first?.endings, first?.received.toString(), first?.section('req-hdr')]).toEqual([
      ['ieof'],
      'body',
      HTTP_POST,
    ]);
    expect(second?.headText).toBe(
      'REQMOD icap://gateway.example/reqmod ICAP/1.0\r\nHost: gateway.example\r\nPreview: 0\r\n' +
        `Encapsulated: req-hdr=0, null-body=${HTTP_GET.length}\r\n\r\n`,
    );
    expect([third?.turn, third?.isComplete, third?.section('res-hdr')]).toEqual([3, true, HTTP_OK]);
  });

  test('go through a preview with 100 Continue', async () => {
    await using backend = await startScriptBackend(echo);
    await using client = await connectScriptClient(backend.port);
    expect((await client.ask(reqmod({ preview: 4, body: 'body of this' }))).status).toBe(100);
    await client.send(rest('body of this', 4));
    const same = await client.answer();
    expect([same.status, same.body.toString()]).toEqual([200, 'body of this']);
    expect(backend.exchanges[0]?.endings).toEqual(['preview', 'complete']);
  });

  test('see an answer before the request is over, in pieces of any size', async () => {
    await using backend = await startScriptBackend(async (exchange) => {
      await exchange.bytes(3);
      await exchange.dribble(blocked('no'), 7);
    });
    await using client = await connectScriptClient(backend.port);
    const request = reqmod({ body: 'early' });
    await client.send(request.subarray(0, -8), request.subarray(-8, -6));
    const page = await client.beginAnswer();
    expect([page.status, page.section('res-hdr')]).toEqual([200, HTTP_FORBIDDEN]);
    expect((await client.answer()).body.toString()).toBe('no');
    await client.send(request.subarray(-6));
    await backend.exchanges[0]?.until(() => backend.exchanges[0]?.isComplete === true);
    backend.script = answering(answer(204));
    expect((await client.ask(reqmod({ body: 'next' }))).status).toBe(204);
  });

  test('tell a cut answer, a FIN and a reset apart', async () => {
    const bytes = blocked('a long page');
    await using backend = await startScriptBackend((exchange) => exchange.end(bytes.subarray(0, -5)));
    await using cut = await connectScriptClient(backend.port);
    const failed = await cut.ask(reqmod({ body: '' })).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(AnswerCut);
    expect(failed).toMatchObject({ partial: { status: 200, isComplete: false } });
    expect(await cut.gone).toBe('fin');
    backend.script = (exchange) => exchange.reset();
    await using reset = await connectScriptClient(backend.port);
    await expect(reset.ask(reqmod({ body: '' }))).rejects.toThrow('without an answer');
    expect(await reset.gone).toBe('reset');
    backend.script = (exchange) => exchange.stall();
    await using leaving = await connectScriptClient(backend.port);
    await leaving.send(reqmod({ body: '' }));
    const stalled = await backend.exchange(2);
    leaving.reset();
    expect(await stalled.connection.gone).toBe('reset');
  });

  test('notice a request that comes before the answer to the one before it', async () => {
    await using backend = await startScriptBackend();
    await using client = await connectScriptClient(backend.port);
    const two = [reqmod({ preview: 0, 'req-hdr': HTTP_GET }), reqmod({ preview: 0, 'req-hdr': HTTP_GET })];
    await client.send(Buffer.concat(two));
    expect([(await client.answer()).status, (await client.answer()).status]).toEqual([204, 204]);
    expect(backend.connections[0]?.isPipelined).toBe(true);
  });

  test('complain about requests that are not strict ICAP', async () => {
    const backend = await startScriptBackend();
    await using client = await connectScriptClient(backend.port);
    await expect(client.ask('REQMOD icap://h/ ICAP/1.0\n\n')).rejects.toThrow('without an answer');
    await expect(backend[Symbol.asyncDispose]()).rejects.toThrow('had trouble');
  });
});

test('the scripted client and the demonstration server understand each other', async () => {
  await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
  await using client = await connectScriptClient(server.port);
  expect((await client.ask(options())).field('methods')).toContain('REQMOD');
  expect((await client.ask(reqmod({ lines: ['Allow: 204'], body: 'clean' }))).status).toBe(204);
  const same = await client.ask(respmod({ body: 'clean' }));
  expect([same.status, same.section('res-hdr'), same.body.toString()]).toEqual([200, HTTP_OK, 'clean']);
  expect((await client.ask(reqmod({ preview: 8, body: EICAR }))).status).toBe(100);
  await client.send(rest(EICAR, 8));
  const page = await client.answer();
  expect(page.section('res-hdr')).toContain('403');
});
