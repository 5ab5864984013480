import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBlackHole } from '../_util/black-hole.ts';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { clientConfigText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { echo } from '../_util/differential-backend.ts';
import { describeTimeouts, timeoutSections } from '../_util/differential-timeouts.ts';
import { startProbedServer } from '../_util/health-server.ts';
import { startWireServer } from '../_util/tls-server.ts';

const lab = certificates();
/** The beginning of a ServerHello, enough of it for three times TIMEOUTbusy. */
const HELLO = Buffer.from('160303007a0200007603030102030405060708090a', 'hex');
const DRIP_MS = 300;

const opened: AsyncDisposable[] = [];
let programs: Programs;
beforeAll(async () => {
  const server = await startWireServer({ identity: lab.server }, ({ tls }) => echo(tls));
  const hole = await startBlackHole();
  const mute = await startProbedServer();
  const slow = await startDrippingServer();
  opened.push(server, hole, mute, slow);
  programs = await startBoth(
    clientConfigText({
      ...timeoutSections(`connect = 127.0.0.1:${server.port}`, `connect = 127.0.0.1:${hole.port}`),
      busy: ['TIMEOUTbusy = 1', `connect = 127.0.0.1:${mute.port}`],
      'busy in the middle': ['TIMEOUTbusy = 2', `connect = 127.0.0.1:${slow.port}`],
    }),
  );
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const each of opened) await each[Symbol.asyncDispose]();
});

/** A server that begins its part of a handshake, a byte at a time, for longer than anybody should wait. */
async function startDrippingServer(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer(async (socket) => {
    socket.on('error', () => socket.destroy()).resume();
    for (const byte of HELLO) {
      if (!socket.writable) return;
      socket.write(Buffer.of(byte));
      await setTimeout(DRIP_MS);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** How the connection of a client ends. One that only waits is ended neither by the program nor by the server. */
async function endWithin(port: number, patienceMs: number): Promise<'fin' | 'reset' | 'still waiting'> {
  const client = new ClearClient(port);
  const patience = new AbortController();
  const waiting = setTimeout(patienceMs, 'still waiting' as const, { signal: patience.signal });
  // Cut short once the end has come.
  waiting.catch(() => {});
  const end = await Promise.race([client.ended(), waiting]);
  patience.abort();
  client.socket.destroy();
  return end;
}

describeTimeouts(() => ({ programs, dial: (port) => new ClearClient(port) }), 'fin');

test('TIMEOUTbusy = 1 resets the client of a server that accepts and says nothing', async () => {
  expect(await playBoth(programs, ({ portOf }) => endWithin(portOf('busy'), 20_000))).toEqual(same('reset'));
});

describe('time runs out otherwise, on purpose', () => {
  test('TIMEOUTbusy bounds the whole handshake with a server: stunnel begins anew with every byte', async () => {
    const ends = [programs.stunnel, programs.icapgw].map(({ portOf }) =>
      endWithin(portOf('busy in the middle'), (HELLO.length - 2) * DRIP_MS),
    );
    expect(await Promise.all(ends)).toEqual(['still waiting', 'reset']);
  });
});
