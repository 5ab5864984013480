import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBlackHole } from '../_util/black-hole.ts';
import { configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { echo, type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import { describeTimeouts, timeoutSections } from '../_util/differential-timeouts.ts';

let backend: RecordingBackend;
let hole: { readonly port: number } & AsyncDisposable;
let programs: Programs;
beforeAll(async () => {
  backend = await startRecordingBackend(echo);
  hole = await startBlackHole();
  const live = `connect = 127.0.0.1:${backend.port}`;
  const dead = `connect = 127.0.0.1:${hole.port}`;
  programs = await startBoth(
    configText({
      ...timeoutSections(live, dead),
      busy: ['TIMEOUTbusy = 1', live],
      'dead, then another': ['TIMEOUTconnect = 1', dead, live],
    }),
  );
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  await hole[Symbol.asyncDispose]();
});

/** Sends `bytes` of a handshake, one every 300 ms, and then no more; resolves with the end, or at `patienceMs`. */
async function dripHandshake(
  port: number,
  bytes: number,
  patienceMs: number,
): Promise<'reset' | 'end' | 'still waiting'> {
  const socket = connect({ host: '127.0.0.1', port });
  const patience = new AbortController();
  const ended = new Promise<'reset' | 'end'>((resolve) => {
    socket.once('error', () => resolve('reset'));
    socket.once('end', () => resolve('end')).resume();
  });
  const dripped = (async () => {
    for (const byte of Buffer.from('1603010200010001fc', 'hex').subarray(0, bytes)) {
      if (socket.writable) socket.write(Buffer.of(byte));
      await setTimeout(300, undefined, { signal: patience.signal });
    }
    await setTimeout(patienceMs - 300 * bytes, undefined, { signal: patience.signal });
  })().then(() => 'still waiting' as const);
  // Cut short once the end has come.
  dripped.catch(() => {});
  const outcome = await Promise.race([ended, dripped]);
  patience.abort();
  socket.destroy();
  return outcome;
}

describeTimeouts(() => ({ programs, dial: (port) => new WireClient(port, {}) }), 'close_notify');

describe.concurrent('time runs out alike', () => {
  test('TIMEOUTbusy = 1 resets a client that says nothing', async () => {
    expect(await playBoth(programs, ({ portOf }) => dripHandshake(portOf('busy'), 0, 20_000))).toEqual(same('reset'));
  });

  test('TIMEOUTbusy = 1 resets a client that begins a handshake and stops', async () => {
    expect(await playBoth(programs, ({ portOf }) => dripHandshake(portOf('busy'), 2, 20_000))).toEqual(same('reset'));
  });
});

describe.concurrent('time runs out otherwise, on purpose', () => {
  test('TIMEOUTbusy bounds the whole handshake: stunnel begins anew with every byte', async () => {
    const both = await playBoth(programs, ({ portOf }) => dripHandshake(portOf('busy'), 7, 2100));
    expect(both).toEqual({ stunnel: 'still waiting', icapgw: 'reset' });
  });

  test('a backend that does not answer costs nobody TIMEOUTconnect once that is known: stunnel waits each time', async () => {
    const { icapgw } = programs;
    await expect.poll(() => icapgw.log.some(isHoleDown)).toBe(true);
    const waits = await playBoth(programs, async ({ portOf }) => {
      const times: number[] = [];
      for (let turn = 0; turn < 2; turn += 1) {
        const client = new WireClient(portOf('dead, then another'), {});
        await client.handshake();
        const startedMs = performance.now();
        client.socket.write('request');
        await client.receive('request');
        times.push(performance.now() - startedMs);
        client.socket.end();
        await client.ended();
      }
      return times;
    });
    for (const ms of waits.stunnel) expect(ms).toBeGreaterThan(900);
    expect(icapgw.log.filter((line) => isOfTwo(line) && line.includes('"event":"backend-failed"'))).toEqual([]);
  });
});

function isHoleDown(line: string): boolean {
  return isOfTwo(line) && line.includes('"event":"backend-state"') && line.includes(`127.0.0.1:${hole.port} is down`);
}

function isOfTwo(line: string): boolean {
  return line.includes('"service":"dead, then another"');
}
