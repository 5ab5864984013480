import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import { freePorts } from '../_util/server-process.ts';

const NAMES = ['first', 'second', 'third'];
/** Of nobody: the port of the discard service, where nothing listens. */
const DEAD = 'connect = 127.0.0.1:9';

const backends: RecordingBackend[] = [];
let latePort: number;
let programs: Programs;
beforeAll(async () => {
  for (const name of NAMES) {
    backends.push(await startRecordingBackend((socket) => void socket.on('data', () => socket.end(name))));
  }
  [latePort = 0] = await freePorts(1);
  const [first = '', second = '', third = ''] = backends.map(({ port }) => `connect = 127.0.0.1:${port}`);
  programs = await startBoth(
    configText({
      'several lines': [first, second, third],
      prio: [second, first, 'failover = prio'],
      'prio, first dead': [DEAD, second, third, 'failover = prio'],
      'prio, second dead': [first, DEAD],
      'prio, first comes back': [`connect = 127.0.0.1:${latePort}`, second],
      rr: [first, second, third, 'failover = rr'],
      'rr, first dead': [DEAD, second, third, 'failover = rr'],
      'rr, listed twice': [first, first, second, 'failover = rr'],
      delay: [`connect = localhost:${backends[0]?.port}`, 'delay = yes'],
      'all dead': [DEAD, 'connect = 127.0.0.1:11'],
    }),
  );
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const backend of backends) await backend[Symbol.asyncDispose]();
});

/** Which backend a client reaches; nothing where it is turned away. */
async function reach(port: number): Promise<string> {
  const client = new WireClient(port, {});
  await client.handshake();
  client.socket.write('request');
  await client.ended();
  return client.text;
}

/** Whom `count` clients reach, one after the other. */
function order(service: string, count: number): Promise<Both<string[]>> {
  return playBoth(programs, async ({ portOf }) => {
    const names: string[] = [];
    for (let turn = 0; turn < count; turn += 1) names.push(await reach(portOf(service)));
    return names;
  });
}

function countOf(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));
}

describe('the same backends are used', () => {
  test.each([
    { service: 'several lines', names: ['first', 'first', 'first'] },
    { service: 'prio', names: ['second', 'second', 'second'] },
    { service: 'prio, first dead', names: ['second', 'second', 'second'] },
    { service: 'prio, second dead', names: ['first', 'first', 'first'] },
    { service: 'delay', names: ['first', 'first'] },
  ])('$service', async ({ service, names }) => {
    expect(await order(service, names.length)).toEqual(same(names));
  });

  test('rr takes turns in the order of the file', async () => {
    // Which of them begins is nobody's business.
    const both = await order('rr', 7);
    for (const names of [both.stunnel, both.icapgw]) {
      const start = NAMES.indexOf(names[0] ?? '');
      expect(names).toEqual(names.map((_, turn) => NAMES[(start + turn) % NAMES.length]));
    }
  });

  test('rr gives a backend that is listed twice two shares', async () => {
    const both = await order('rr, listed twice', 6);
    for (const names of [both.stunnel, both.icapgw]) {
      expect(countOf(names)).toEqual({ first: 4, second: 2 });
    }
  });

  test('with no backend a client is reset once its handshake is over', async () => {
    const both = await playBoth(programs, async ({ portOf }) => {
      const client = new WireClient(portOf('all dead'), {});
      await client.handshake();
      return await client.ended();
    });
    expect(both).toEqual(same('reset'));
  });
});

describe('other backends are used, on purpose', () => {
  test('the share of a dead backend goes to all that are left: in stunnel to its neighbour', async () => {
    const { stunnel, icapgw } = await order('rr, first dead', 6);
    expect(countOf(stunnel)).toEqual({ second: 4, third: 2 });
    expect(countOf(icapgw)).toEqual({ second: 3, third: 3 });
  });

  test('a backend that comes back is used again when a health check has seen it: in stunnel at once', async () => {
    const service = 'prio, first comes back';
    expect(await order(service, 1)).toEqual(same(['second']));
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.end('late'));
    });
    server.listen(latePort, '127.0.0.1');
    await once(server, 'listening');
    expect(await reach(programs.stunnel.portOf(service))).toBe('late');
    await expect.poll(() => reach(programs.icapgw.portOf(service)), { timeout: 30_000, interval: 200 }).toBe('late');
    server.close();
  });
});
