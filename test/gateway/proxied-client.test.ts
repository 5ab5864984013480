import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { readProxyHeader } from '../../src/gateway/proxied-client.ts';

type Outcome = { readonly source: string | undefined } | { readonly detail: string };

/** An accepted, paused connection and its client. */
async function startAccepted(): Promise<{ readonly accepted: Socket; readonly client: Socket } & AsyncDisposable> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  return {
    ...{ accepted, client },
    async [Symbol.asyncDispose]() {
      accepted.destroy();
      client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function read(socket: Socket): Promise<Outcome> {
  return new Promise((resolve) => {
    readProxyHeader(
      socket,
      { version: 'v1', peer: '127.0.0.1:1' },
      {
        onHeader: ({ endpoints }) => resolve({ source: endpoints?.source.address }),
        onFail: (detail) => resolve({ detail }),
      },
    );
  });
}

describe('the PROXY header of an accepted connection', () => {
  test('names the client, and what follows it is left in the paused socket', async () => {
    await using pair = await startAccepted();
    const outcome = read(pair.accepted);
    pair.client.write('PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\nhello');
    expect(await outcome).toEqual({ source: '192.0.2.7' });
    expect(pair.accepted.isPaused()).toBe(true);
    expect(pair.accepted.listenerCount('data')).toBe(0);
    const [bytes] = await once(pair.accepted.resume(), 'data');
    expect(String(bytes)).toBe('hello');
  });

  test('that is none at all is a failure, and the socket is still there to be refused', async () => {
    await using pair = await startAccepted();
    const outcome = read(pair.accepted);
    pair.client.write('\x16\x03\x01 this is TLS');
    expect(await outcome).toHaveProperty('detail');
    expect(pair.accepted.destroyed).toBe(false);
  });

  test('that the client does not finish is a failure', async () => {
    await using pair = await startAccepted();
    const outcome = read(pair.accepted);
    pair.client.end('PROXY TCP4 192.0.2.7');
    expect(await outcome).toEqual({ detail: 'the connection ended before its PROXY header did' });
  });
});
