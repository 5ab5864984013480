import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import {
  type BackendVisit,
  echo,
  type RecordingBackend,
  startRecordingBackend,
} from '../_util/differential-backend.ts';
import { WireClient, type WireEnd } from '../_util/differential-client.ts';
import { startGatewayAsStunnel } from '../_util/differential-gateway.ts';
import { startStunnel } from '../_util/stunnel-process.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';

const lab = certificates();
const STARTERS = { stunnel: startStunnel, icapgw: startGatewayAsStunnel };

/** What either program did with the same text and the same clients. */
interface Both<T> {
  readonly stunnel: T;
  readonly icapgw: T;
}

function configText(...lines: readonly string[]): string {
  return ['[icap]', 'accept = 127.0.0.1:0', `cert = ${lab.server.combined}`, ...lines, ''].join('\n');
}

/** Plays the same against stunnel and then against icapgw, each started with `text`. */
async function playBoth<T>(text: string, play: (port: number) => Promise<T>): Promise<Both<T>> {
  const playOne = async (name: keyof typeof STARTERS): Promise<T> => {
    await using tunnel = await STARTERS[name](text);
    return await play(tunnel.port);
  };
  return { stunnel: await playOne('stunnel'), icapgw: await playOne('icapgw') };
}

function same<T>(expected: T): Both<T> {
  return { stunnel: expected, icapgw: expected };
}

const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CLIENTS: Readonly<Record<string, LabIdentity | undefined>> = {
  'no certificate': undefined,
  good: lab.client,
  second: lab.secondClient,
  'other CA': lab.otherClient,
  'self-signed': lab.selfSignedClient,
  expired: lab.expiredClient,
  'server only': lab.serverOnlyClient,
  revoked: lab.revokedClient,
};
const EVERYBODY = Object.keys(CLIENTS);
const OF_THE_CA = ['good', 'second', 'revoked'];

/** Who of the clients gets through, with each version of TLS. */
async function admitted(lines: readonly string[]): Promise<Both<Record<string, string[]>>> {
  await using backend = await startRecordingBackend((socket) => {
    socket.write('welcome');
    echo(socket);
  });
  return await playBoth(configText(...lines, `connect = 127.0.0.1:${backend.port}`), async (port) => {
    const passed: Record<string, string[]> = {};
    for (const version of VERSIONS) {
      const names: string[] = [];
      for (const [name, identity] of Object.entries(CLIENTS)) {
        const { text } = await visit({ port, version, ...(identity !== undefined && { identity }) });
        if (text === 'welcome') names.push(name);
      }
      passed[version] = names;
    }
    return passed;
  });
}

function withEachVersion(names: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(VERSIONS.map((version) => [version, names]));
}

function bundle(...files: readonly string[]): string {
  const path = join(folder, `bundle-${files.length}.pem`);
  writeFileSync(path, files.map((file) => readFileSync(file, 'utf8')).join(''));
  return path;
}

describe('the same clients get in', () => {
  const ca = `CAfile = ${lab.ca.cert}`;
  const leaf = `CAfile = ${lab.client.cert}`;
  test.each<{ readonly name: string; readonly lines: readonly string[]; readonly names: readonly string[] }>([
    { name: 'no option of verification', lines: [], names: EVERYBODY },
    { name: 'verify = 0', lines: [ca, 'verify = 0'], names: EVERYBODY },
    { name: 'verify = 1', lines: [ca, 'verify = 1'], names: ['no certificate', ...OF_THE_CA] },
    { name: 'verify = 2', lines: [ca, 'verify = 2'], names: OF_THE_CA },
    { name: 'verifyChain', lines: [ca, 'verifyChain = yes'], names: OF_THE_CA },
    {
      name: 'verifyChain with CRLfile',
      lines: [ca, 'verifyChain = yes', `CRLfile = ${lab.crl}`],
      names: ['good', 'second'],
    },
    { name: 'verify = 2 with CRLfile', lines: [ca, 'verify = 2', `CRLfile = ${lab.crl}`], names: ['good', 'second'] },
    {
      name: 'verify = 3 with the CA and one certificate',
      lines: [`CAfile = ${bundle(lab.ca.cert, lab.client.cert)}`, 'verify = 3'],
      names: ['good'],
    },
    { name: 'verify = 4', lines: [leaf, 'verify = 4'], names: ['good'] },
    { name: 'verifyPeer', lines: [leaf, 'verifyPeer = yes'], names: ['good'] },
    {
      name: 'verifyPeer with a self-signed certificate',
      lines: [`CAfile = ${lab.selfSignedClient.cert}`, 'verifyPeer = yes'],
      names: ['self-signed'],
    },
    {
      name: 'verifyPeer with an expired certificate',
      lines: [`CAfile = ${lab.expiredClient.cert}`, 'verifyPeer = yes'],
      names: [],
    },
    { name: 'verifyPeer with only the CA', lines: [ca, 'verifyPeer = yes'], names: [] },
    {
      name: 'requireCert without verification',
      lines: [ca, 'requireCert = yes'],
      names: EVERYBODY.filter((name) => name !== 'no certificate'),
    },
  ])('$name', async ({ lines, names }) => {
    expect(await admitted(lines)).toEqual(same(withEachVersion(names)));
  });
});

interface Scene {
  readonly client: WireEnd;
  readonly text: string;
  readonly backend: BackendVisit;
}

interface Scenario {
  readonly behave: (socket: Socket) => void;
  readonly lines?: readonly string[];
  readonly staysOpen?: boolean;
  /** What the client does once it is connected; its end and the backend's are waited for after that. */
  readonly act: (client: WireClient) => Promise<void> | void;
}

/** One client and one backend, with both programs between them. */
async function playScene({ behave, lines = [], staysOpen = false, act }: Scenario): Promise<Both<Scene>> {
  await using backend = await startRecordingBackend(behave);
  return await playBoth(configText(...lines, `connect = 127.0.0.1:${backend.port}`), async (port) => {
    const client = new WireClient(port, { staysOpen });
    await client.handshake();
    client.tls.write('request');
    await act(client);
    const end = await client.ended();
    return { client: end, text: client.text, backend: await backend.nextVisit() };
  });
}

/** Long enough for what came before it to have arrived everywhere. */
function delayed(act: () => void): void {
  void setTimeout(100).then(act);
}

function answerAtOnce(socket: Socket): void {
  socket.on('data', () => socket.write('answer'));
  socket.on('end', () => socket.end());
}

function answerAndClose(socket: Socket): void {
  socket.on('data', () => socket.end('answer'));
}

/** Answers only when the client has finished sending. */
function answerLate(socket: Socket): void {
  socket.on('end', () => delayed(() => socket.end('late answer')));
}

const FIN: BackendVisit = { received: 'request', end: 'fin' };

describe('connections end alike', () => {
  test('a client that finished sending still gets its answer', async () => {
    const scene = { behave: answerLate, act: (client: WireClient) => void client.tls.end() };
    expect(await playScene(scene)).toEqual(same({ client: 'close_notify', text: 'late answer', backend: FIN }));
  });

  test('TIMEOUTclose = 1 leaves room for an answer that comes sooner', async () => {
    const scene = {
      behave: answerLate,
      lines: ['TIMEOUTclose = 1'],
      act: (client: WireClient) => void client.tls.end(),
    };
    expect(await playScene(scene)).toEqual(same({ client: 'close_notify', text: 'late answer', backend: FIN }));
  });

  test('TIMEOUTclose = 0 ends the connection of a client that finished sending', async () => {
    const scene = {
      behave: answerLate,
      lines: ['TIMEOUTclose = 0'],
      act: (client: WireClient) => void client.tls.end(),
    };
    const both = await playScene(scene);
    expect({ stunnel: both.stunnel.text, icapgw: both.icapgw.text }).toEqual(same(''));
    expect({ stunnel: both.stunnel.backend, icapgw: both.icapgw.backend }).toEqual(same(FIN));
  });

  test.each([{ lines: [] }, { lines: ['TIMEOUTclose = 0'] }, { lines: ['TIMEOUTclose = 1'] }])(
    'a backend that answers and closes is followed by a close_notify: $lines',
    async ({ lines }) => {
      const both = await playScene({ behave: answerAndClose, lines, act: () => {} });
      expect(both).toEqual(same({ client: 'close_notify', text: 'answer', backend: FIN }));
    },
  );

  test('TIMEOUTclose = 1 ends a connection whose client stays after the backend has gone', async () => {
    const both = await playScene({
      behave: answerAndClose,
      lines: ['TIMEOUTclose = 1'],
      staysOpen: true,
      act: () => {},
    });
    expect(both).toEqual(same({ client: 'close_notify', text: 'answer', backend: FIN }));
  });

  test('a client that closes after the answer', async () => {
    const act = async (client: WireClient) => {
      await client.receive('answer');
      client.tls.end();
    };
    const both = await playScene({ behave: answerAtOnce, act });
    expect(both).toEqual(same({ client: 'close_notify', text: 'answer', backend: FIN }));
  });

  test('TIMEOUTidle = 1 resets a connection on which nothing moves', async () => {
    const both = await playScene({ behave: answerAtOnce, lines: ['TIMEOUTidle = 1'], act: () => {} });
    expect({ stunnel: both.stunnel.client, icapgw: both.icapgw.client }).toEqual(same('reset'));
  });
});

/** Sends a byte of a handshake every 300 ms, for twice the timeout of one second. */
async function dripHandshake(port: number): Promise<'ended' | 'still waiting'> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => socket.destroy());
  const ended = new Promise<'ended'>((resolve) => {
    socket.once('close', () => resolve('ended'));
  });
  const dripping = drip(socket);
  return await Promise.race([ended, dripping]).finally(() => socket.destroy());
}

async function drip(socket: Socket): Promise<'still waiting'> {
  const hello = Buffer.from('1603010200010001fc', 'hex');
  for (const byte of hello.subarray(0, 7)) {
    if (socket.writable) socket.write(Buffer.of(byte));
    await setTimeout(300);
  }
  return 'still waiting';
}

/** Backends that answer with their names; the order in which `count` clients reach them. */
async function order(lines: (ports: readonly number[]) => readonly string[], count: number): Promise<Both<string[]>> {
  const named = (name: string): Promise<RecordingBackend> =>
    startRecordingBackend((socket) => void socket.on('data', () => socket.end(name)));
  await using first = await named('first');
  await using second = await named('second');
  return await playBoth(configText(...lines([first.port, second.port])), async (port) => {
    const names: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const client = new WireClient(port, {});
      await client.handshake();
      client.tls.write('request');
      await client.ended();
      names.push(client.text);
    }
    return names;
  });
}

describe('the same backends are used', () => {
  const connectLine = (port: number | undefined): string => `connect = 127.0.0.1:${port}`;

  test('several connect lines are taken in the order of the file', async () => {
    const both = await order((ports) => ports.map(connectLine), 3);
    expect(both).toEqual(same(['first', 'first', 'first']));
  });

  test('failover = prio passes over a dead one', async () => {
    const both = await order(([, second]) => [connectLine(9), connectLine(second), 'failover = prio'], 2);
    expect(both).toEqual(same(['second', 'second']));
  });

  test('failover = rr takes turns', async () => {
    const both = await order((ports) => [...ports.map(connectLine), 'failover = rr'], 4);
    // Which of them begins is nobody's business.
    for (const names of Object.values(both)) {
      expect(names.slice(0, 2).toSorted()).toEqual(['first', 'second']);
      expect(names.slice(2)).toEqual(names.slice(0, 2));
    }
  });

  test('with no backend a client is reset once its handshake is over', async () => {
    const both = await playBoth(configText('connect = 127.0.0.1:9'), async (port) => {
      const client = new WireClient(port, {});
      await client.handshake();
      return await client.ended();
    });
    expect(both).toEqual(same('reset'));
  });

  test('protocol = proxy tells the backend who the client is', async () => {
    await using backend = await startRecordingBackend(answerAndClose);
    const text = configText('protocol = proxy', `connect = 127.0.0.1:${backend.port}`);
    const both = await playBoth(text, async (port) => {
      const client = new WireClient(port, {});
      await client.handshake();
      const { localPort } = client;
      client.tls.write('request');
      await client.ended();
      const { received } = await backend.nextVisit();
      return received.replace(` ${localPort} ${port}\r\n`, ' CLIENT SERVICE\r\n');
    });
    for (const received of Object.values(both)) {
      expect(received).toMatch(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 CLIENT SERVICE\r\n/);
    }
  });
});

describe('what is different on purpose', () => {
  test('CAfile alone requires a certificate: stunnel lets anybody in', async () => {
    const { stunnel, icapgw } = await admitted([`CAfile = ${lab.ca.cert}`]);
    expect(stunnel).toEqual(withEachVersion(EVERYBODY));
    expect(icapgw).toEqual(withEachVersion(OF_THE_CA));
  });

  test('verifyChain with only the certificate of a client is refused: stunnel starts and turns everybody away', async () => {
    const lines = [`CAfile = ${lab.client.cert}`, 'verifyChain = yes', 'connect = 127.0.0.1:9'];
    await using stunnel = await startStunnel(configText(...lines));
    const { text } = await visit({ port: stunnel.port, identity: lab.client });
    expect(text).toBe('');
    await expect(startGatewayAsStunnel(configText(...lines))).rejects.toThrow('ICAPGW_TLS_MATERIAL');
  });

  test('a backend that breaks off is no orderly end: stunnel covers it with a close_notify', async () => {
    const { stunnel, icapgw } = await playScene({
      behave: (socket) =>
        void socket.on('data', () => socket.write('half', () => delayed(() => socket.resetAndDestroy()))),
      act: () => {},
    });
    expect(stunnel).toMatchObject({ client: 'close_notify', text: 'half' });
    expect(icapgw).toMatchObject({ client: 'fin', text: 'half' });
  });

  test('a client that sends FIN without close_notify gets the rest of its answer: stunnel gives it up', async () => {
    const { stunnel, icapgw } = await playScene({
      behave: (socket) => {
        socket.on('data', () => socket.write('100 '));
        answerLate(socket);
      },
      act: async (client) => {
        await client.receive('100 ');
        client.sendBareFin();
      },
    });
    expect(stunnel).toMatchObject({ text: '100 ' });
    expect(icapgw).toMatchObject({ text: '100 late answer', backend: FIN });
  });

  test('TIMEOUTbusy bounds the whole handshake: stunnel begins anew with every byte', async () => {
    const both = await playBoth(configText('connect = 127.0.0.1:9', 'TIMEOUTbusy = 1'), dripHandshake);
    expect(both).toEqual({ stunnel: 'still waiting', icapgw: 'ended' });
  });
});
