import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import {
  BELIEVES_CLIENTS,
  dialFrom,
  feedsIn,
  findingOf,
  GUIDE_ADDRESS,
  GUIDE_EVENT,
  isTurnedAway,
  postFinding,
} from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService } from '../_util/e2e-icap.ts';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { type ScriptBackend, startScriptBackend } from '../_util/icap-script-backend.ts';
import { driveScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { answer, options, reqmod } from '../_util/icap-script-message.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const SERVICES = ['icap', 'icaps', 'tunnel', 'tunnels'] as const;

let folder: TestFolder;
let scanner: ScriptBackend;
let echo: TunnelBackend;
let gateway: RunningGateway;

beforeAll(async () => {
  folder = await createFolder();
  scanner = await startScriptBackend();
  echo = await startTunnelBackend();
  const { server } = certificates();
  const tls = { tls: { cert: server.cert, key: server.key } };
  const common = { ...BELIEVES_CLIENTS, health: { type: 'none' } };
  const tunnel = { ...common, protocol: 'tunnel', listen: '127.0.0.1:0', backends: [{ address: echo.address }] };
  gateway = await startGateway({
    workers: 2,
    feeds: feedsIn(folder.path),
    services: [
      icapService('icap', backendsOn([scanner]), common),
      icapService('icaps', backendsOn([scanner]), { ...common, ...tls }),
      { ...tunnel, name: 'tunnel', tls: 'off' },
      { ...tunnel, name: 'tunnels', ...tls },
    ],
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await scanner[Symbol.asyncDispose]();
  await echo[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function openIcap(source: string): Promise<ScriptClient> {
  return driveScriptClient(await dialFrom(source, gateway.port('icap')));
}

test('a finding cuts the tunnels of its address at once, its ICAP sessions after the request under way, and nobody else', async () => {
  const tunnel = await dialFrom(GUIDE_ADDRESS, gateway.port('tunnel'));
  const other = await dialFrom('198.51.100.1', gateway.port('tunnel'));
  for (const socket of [tunnel, other]) {
    socket.write('hello');
    await once(socket, 'data');
  }
  await using idle = await openIcap(GUIDE_ADDRESS);
  expect((await idle.ask(options())).status).toBe(200);
  const release = Promise.withResolvers<void>();
  scanner.script = async (exchange) => {
    await exchange.body();
    await release.promise;
    exchange.send(answer(204));
  };
  await using busy = await openIcap(GUIDE_ADDRESS);
  const asked = busy.ask(reqmod({ body: 'document', lines: ['Allow: 204'] }));
  await scanner.exchange(0);

  const cut = new Promise<void>((resolve) => tunnel.resume().once('close', () => resolve()));
  tunnel.once('end', () => tunnel.end());
  expect(await postFinding(gateway, GUIDE_EVENT)).toEqual([200, 'Success!']);
  await cut;
  await idle.gone;
  await gateway.waitForEvent('connection-closed', ({ service, reason }) => `${service} ${reason}` === 'tunnel blocked');
  release.resolve();
  expect((await asked).status).toBe(204);
  await busy.gone;
  other.write('still here');
  expect(String((await once(other, 'data'))[0])).toBe('still here');
  other.destroy();
});

test('a blocked address is closed before TLS, not a byte sent, on every worker and every service within a second', async () => {
  expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
  const request = reqmod({ body: 'document' });
  await vi.waitFor(
    async () => {
      const attempts = SERVICES.flatMap((service) => Array.from({ length: 6 }, () => gateway.port(service)));
      const ends = await Promise.all(attempts.map((port) => isTurnedAway(GUIDE_ADDRESS, port, request)));
      expect(ends.every((isAway) => isAway)).toBe(true);
    },
    { timeout: 1000 },
  );
  for (const service of SERVICES) {
    expect(await gateway.metric('icapgw_connections_rejected_total', { service, reason: 'blocked' })).toBeGreaterThan(
      5,
    );
    expect(await gateway.metric('icapgw_block_list_hits_total', { service, level: 'peer' })).toBeGreaterThan(5);
  }
  await using neighbour = await openIcap('198.51.100.1');
  expect((await neighbour.ask(options())).status).toBe(200);
});

test('a reload that begins to look for peers cuts the connections of those who are blocked already', async () => {
  await using state = await createFolder();
  const config = (enforce: readonly string[]): object => ({
    workers: 2,
    admin: { listen: 'off' },
    feeds: feedsIn(state.path, { enforce }),
    services: [
      {
        ...{ ...BELIEVES_CLIENTS, name: 'later', protocol: 'tunnel', listen: '127.0.0.1:0', tls: 'off' },
        ...{ health: { type: 'none' }, backends: [{ address: echo.address }] },
      },
    ],
  });
  {
    await using first = await startGateway(config(['target']));
    expect((await postFinding(first, GUIDE_EVENT))[0]).toBe(200);
  }
  // Knows it from the start, and is told of nothing more.
  await using lenient = await startGateway(config(['target']));
  const open = await dialFrom(GUIDE_ADDRESS, lenient.port('later'));
  open.write('hello');
  await once(open, 'data');
  const cut = new Promise<void>((resolve) => open.resume().once('close', () => resolve()));
  open.once('end', () => open.end());
  const text = readFileSync(lenient.file, 'utf8').replace(/target/, 'peer');
  writeFileSync(lenient.file, text);
  lenient.signal('SIGHUP');
  await lenient.waitForEvent('reloaded');
  await cut;
  const closed = await lenient.waitForEvent('connection-closed');
  expect(closed.reason).toBe('blocked');
});

/** What the other side says first to somebody who comes from this address of loopback; empty: it closes without a byte. */
async function heardFrom(localAddress: string, port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, localAddress }).on('error', () => {});
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('data', (chunk: Buffer) => resolve(chunk.toString())).once('close', () => resolve(''));
  socket.write('hello');
  const heard = await promise;
  socket.destroy();
  return heard;
}

test.each(['127.0.0.1:0', '[::]:0'])(
  'who connects to %s by himself is turned away by the address he has',
  async (listen) => {
    await using state = await createFolder();
    await using direct = await startGateway({
      workers: 2,
      admin: { listen: 'off' },
      feeds: feedsIn(state.path, { blockable: ['127.0.0.0/8'] }),
      services: [
        {
          ...{ name: 'direct', protocol: 'tunnel', listen, tls: 'off', health: { type: 'none' } },
          backends: [{ address: echo.address }],
        },
      ],
    });
    const port = direct.port('direct');
    expect(await heardFrom('127.0.0.5', port)).toBe('hello');
    expect(await postFinding(direct, findingOf('127.0.0.5'))).toEqual([200, 'Success!']);
    await vi.waitFor(
      async () => {
        const heard = await Promise.all(Array.from({ length: 6 }, () => heardFrom('127.0.0.5', port)));
        expect(heard.join('')).toBe('');
      },
      { timeout: 1000 },
    );
    expect(await heardFrom('127.0.0.6', port)).toBe('hello');
  },
);
