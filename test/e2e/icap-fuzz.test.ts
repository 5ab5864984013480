import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { createDice, cut, type Dice, damaged, marked, markerOf, markersIn } from '../_util/icap-fuzz.ts';
import { HONEST, startFuzzBackend } from '../_util/icap-fuzz-backend.ts';
import { HTTP_OK, options, reqmod, respmod, rest } from '../_util/icap-script-message.ts';
import { createIcapVisitor } from '../_util/icap-visitor.ts';

/** Connections with hostile bytes, made by so many clients at the same time. */
const RUNS = Number(process.env['ICAPGW_FUZZ_RUNS'] ?? 2000);
const CLIENTS = 16;
const SEED = 3507;
const HANG_MS = 15_000;
/** After so many of them a client sends what it must get back. */
const HONEST_EVERY = 25;

const VECTORS = [
  '01-options-req',
  '02-reqmod-get-req',
  '03-reqmod-post-req',
  '04-respmod-req',
  '05-preview100-a-client',
  '06-preview204-a-client',
  '07-ieof-client',
  '08-preview0-client',
  '08-preview0-nullbody-client',
  '09-respmod-nullbody-req',
];

/** A message without a fault, marked. */
function wellFormed(marker: string, dice: Dice): Buffer {
  const http = `POST http://www.example/${marker} HTTP/1.1\r\nHost: ${marker}\r\n\r\n`;
  const body = `${marker} ${'x'.repeat(dice.below(3) * dice.below(3000))} ${marker}`;
  const lines = dice.percent(50) ? ['Allow: 204', `X-Marker: ${marker}`] : [`X-Marker: ${marker}`];
  switch (dice.below(6)) {
    case 0:
      return reqmod({ lines, 'req-hdr': http, body });
    case 1:
      return respmod({ lines, 'req-hdr': http, 'res-hdr': HTTP_OK.replace('X-Odd', marker.slice(1, -1)), body });
    case 2:
      // The rest comes whether it is asked for or not.
      return Buffer.concat([reqmod({ lines, 'req-hdr': http, body, preview: 30 }), rest(body, 30)]);
    case 3:
      return Buffer.concat([respmod({ lines, 'req-hdr': http, body, preview: 4 }), rest(body, 4)]);
    case 4:
      return options(`/${marker.slice(1, 3)}`, lines);
    default:
      return marked(dice.oneOf(VECTORS), marker);
  }
}

function hostileBytes(marker: string, dice: Dice): Buffer {
  const messages = Array.from({ length: 1 + dice.below(3) }, () => wellFormed(marker, dice));
  const target = dice.below(messages.length);
  return Buffer.concat(messages.map((message, index) => (index === target ? damaged(message, dice) : message)));
}

/** Sends bytes in pieces, and gives all that comes until the other side ends; or leaves with a reset. */
async function converse(port: number, index: number, bytes: Buffer, dice: Dice): Promise<Buffer> {
  // An address for each, or the ports of one would run out.
  const source = process.platform === 'linux' ? { localAddress: `127.0.${1 + (index % 50)}.${1 + (index % 200)}` } : {};
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true, ...source });
  const received: Buffer[] = [];
  socket.on('data', (piece: Buffer) => received.push(piece));
  socket.on('error', () => socket.destroy());
  const isLeaving = dice.percent(10);
  const timer = setTimeout(() => socket.destroy(new Error('hang')), HANG_MS);
  const ended = endOf(socket);
  await Promise.race([once(socket, 'connect'), ended]);
  for (const piece of cut(bytes, dice)) {
    if (piece.length === 0 || socket.destroyed) continue;
    await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
  }
  if (isLeaving) socket.resetAndDestroy();
  else socket.end();
  await ended;
  const isHung = socket.errored?.message === 'hang';
  clearTimeout(timer);
  socket.destroy();
  if (isHung) throw new Error(`nothing came of ${JSON.stringify(bytes.toString('latin1'))}`);
  return Buffer.concat(received);
}

function endOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('end', () => resolve());
    socket.once('close', () => resolve());
  });
}

/** What is wrong with what the client of this index was sent. */
function wrongWith(received: Buffer, index: number): string | undefined {
  const foreign = markersIn(received).filter((marker) => marker !== index);
  if (foreign.length > 0) return `client ${index} was sent bytes of ${foreign.join(' ')}`;
  if (received.length === 0 || /^(?:ICAP\/1\.0 \d{3} |HTTP\/1\.[01] )/.test(received.toString('latin1', 0, 16))) return;
  return `client ${index} was sent ${JSON.stringify(received.toString('latin1', 0, 200))}`;
}

async function honestProblem(gateway: RunningGateway, index: number): Promise<string | undefined> {
  await using visitor = createIcapVisitor({ port: gateway.port('fuzz'), path: '/reqmod' });
  const text = `${HONEST} ${markerOf(index)} ${'x'.repeat(index % 5000)}`;
  const visit = await visitor.visit(text).catch(String);
  if (typeof visit !== 'string' && visit.status === 200 && visit.bodyChanged === false) return undefined;
  return `client ${index}, which did nothing wrong: ${JSON.stringify(visit)}`;
}

test(
  'whatever many clients send at once, each gets answers to its own bytes, and the gateway lives',
  async () => {
    await using first = await startFuzzBackend(SEED);
    await using second = await startFuzzBackend(SEED + 1);
    await using gateway = await startGateway({
      workers: 2,
      log: { level: 'notice' },
      services: [
        {
          name: 'fuzz',
          listen: '127.0.0.1:0',
          protocol: 'icap',
          tls: 'off',
          backends: [first, second].map(({ port }) => ({ address: `127.0.0.1:${port}` })),
          health: { type: 'none' },
          outliers: { 'consecutive-failures': 0 },
          timeouts: { 'request-header': '3s', 'body-idle': '3s', response: '3s' },
          'when-down': 'bypass',
        },
      ],
    });
    const problems: string[] = [];
    const statuses = new Map<string, number>();
    let next = 0;
    const client = async (): Promise<void> => {
      while (next < RUNS && problems.length === 0) {
        const index = next;
        next += 1;
        const dice = createDice(SEED ^ Math.imul(index, 0x85ebca6b));
        const bytes = hostileBytes(markerOf(index), dice);
        const received = await converse(gateway.port('fuzz'), index, bytes, dice);
        const status = received.toString('latin1', 9, 12);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const problem =
          wrongWith(received, index) ?? (index % HONEST_EVERY === 0 ? await honestProblem(gateway, index) : undefined);
        if (problem !== undefined) problems.push(`${problem}; it sent ${JSON.stringify(bytes.toString('latin1'))}`);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    expect([...problems, ...first.problems, ...second.problems]).toEqual([]);
    expect(gateway.stderr).toBe('');
    expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
    expect(await gateway.metric('icapgw_icap_queue_depth')).toBe(0);
    // The damage is neither too small to be noticed nor too large for anything to get through.
    expect(statuses.get('400')).toBeGreaterThan(RUNS / 20);
    expect(statuses.get('200')).toBeGreaterThan(RUNS / 20);
    expect(first.requestCount + second.requestCount).toBeGreaterThan(RUNS / 3);
  },
  60_000 + RUNS * 20,
);
