import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { startGatewayAsStunnel } from '../_util/differential-gateway.ts';
import { startStunnel, type TunnelProcess } from '../_util/stunnel-process.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-chain-'));
const socketPath = (name: string): string => join(folder, `${name}.sock`);

const BULK_BYTES = 8 * 1024 * 1024;
const PIECE_BYTES = 100_000;

let echo: Server;
let echoPort: number;
beforeAll(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  echoPort = (echo.address() as AddressInfo).port;
});
afterAll(async () => {
  echo.close();
  await once(echo, 'close');
  rmSync(folder, { recursive: true });
});

/** Both sides show certificates, and each accepts the other's alone. */
function serverText(): string {
  return [
    '[server]',
    'accept = 127.0.0.1:0',
    `connect = 127.0.0.1:${echoPort}`,
    `cert = ${lab.server.combined}`,
    `CAfile = ${lab.client.cert}`,
    'verifyPeer = yes\n',
  ].join('\n');
}

function clientText(port: number, ca: string = lab.ca.cert): string {
  return [
    '[client]',
    'client = yes',
    'accept = 127.0.0.1:0',
    `connect = localhost:${port}`,
    `cert = ${lab.client.combined}`,
    `CAfile = ${ca}`,
    'verifyChain = yes',
    'checkHost = localhost\n',
  ].join('\n');
}

/** Sends a block through, a piece at a time, and reads what comes back; true when that is the same. */
async function carries(to: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port: to, allowHalfOpen: true });
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  socket.on('data', (chunk: Buffer) => received.update(chunk));
  const ended = once(socket, 'end');
  const block = randomBytes(BULK_BYTES);
  sent.update(block);
  for (let from = 0; from < block.length; from += PIECE_BYTES) {
    if (!socket.write(block.subarray(from, from + PIECE_BYTES))) await Promise.race([once(socket, 'drain'), ended]);
  }
  socket.end();
  await ended;
  return sent.digest('hex') === received.digest('hex');
}

async function greets(port: number): Promise<string> {
  const client = new ClearClient(port);
  client.socket.end('hello');
  await client.ended();
  return client.text;
}

type Starter = (text: string) => Promise<TunnelProcess>;
const CHAINS: Readonly<Record<string, readonly [client: Starter, server: Starter]>> = {
  'icapgw to icapgw': [startGatewayAsStunnel, startGatewayAsStunnel],
  'icapgw to stunnel': [startGatewayAsStunnel, startStunnel],
  'stunnel to icapgw': [startStunnel, startGatewayAsStunnel],
};

describe('clear text goes through TLS and comes out as it was', () => {
  test.each(Object.entries(CHAINS))('%s', async (_, [startClient, startServer]) => {
    await using server = await startServer(serverText());
    await using client = await startClient(clientText(server.port));
    // Several at once, and some of them over sessions that are resumed.
    expect(await Promise.all([1, 2, 3].map(() => carries(client.port)))).toEqual([true, true, true]);
    expect(await greets(client.port)).toBe('hello');
  });

  test.each(Object.entries(CHAINS))('%s, and not at all to a server of another CA', async (_, starters) => {
    const [startClient, startServer] = starters;
    await using server = await startServer(serverText());
    await using client = await startClient(clientText(server.port, lab.otherCa.cert));
    expect(await greets(client.port)).toBe('');
  });
});

test('both ends in one process, over Unix sockets', async () => {
  const [clear, secret] = [socketPath('clear'), socketPath('secret')];
  const text = serverText()
    .replace('accept = 127.0.0.1:0', `accept = ${secret}`)
    .concat(clientText(0).replace('connect = localhost:0', `connect = ${secret}`))
    .concat(
      clientText(0).replace('[client]', '[from a socket]').replace('connect = localhost:0', `connect = ${secret}`),
    )
    .replace(/(\[from a socket\]\nclient = yes\naccept = )127\.0\.0\.1:0/, `$1${clear}`);
  await using gateway = await startGatewayAsStunnel(text);
  expect(await carries(gateway.portOf('client'))).toBe(true);
  const socket = connect(clear);
  socket.end('hello');
  const [answer] = await once(socket.setEncoding('utf8'), 'data');
  expect(answer).toBe('hello');
});
