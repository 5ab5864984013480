import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { echo, type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import type { TunnelProcess } from '../_util/stunnel-process.ts';
import { visit } from '../_util/tls-client.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
const certFile = join(folder, 'cert.pem');
const crlFile = join(folder, 'crl.pem');

const backends: RecordingBackend[] = [];
let programs: Programs;
let first: string;
let second: string;
beforeAll(async () => {
  for (const name of ['first', 'second']) {
    const backend = await startRecordingBackend((socket) => {
      socket.write(name);
      echo(socket);
    });
    backends.push(backend);
  }
  [first = '', second = ''] = backends.map(({ port }) => `connect = 127.0.0.1:${port}`);
  copyFileSync(lab.server.combined, certFile);
  programs = await startBoth(configText({ icap: [first] }));
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const backend of backends) await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  expect(await reload(configText({ icap: [first] }))).toEqual(same('taken'));
});

function reload(text: string): Promise<Both<'taken' | 'refused'>> {
  return playBoth(programs, (program) => program.reload(text));
}

/** A client that has heard from its backend. */
async function settle(port: number): Promise<WireClient> {
  const client = new WireClient(port, {});
  await client.receive('');
  await expect.poll(() => client.text).not.toBe('');
  return client;
}

/** What the client hears back, and how its connection ends when it has finished. */
async function say(client: WireClient, text: string): Promise<string> {
  client.socket.write(text);
  await client.receive(text);
  client.socket.end();
  return `${client.text} ${await client.ended()}`;
}

async function greetingOf(program: TunnelProcess, service: string): Promise<string> {
  return (await visit({ port: program.portOf(service) })).text;
}

describe('SIGHUP', () => {
  test('new connections go where the new file says, and those that were open go on', async () => {
    const open = await playBoth(programs, ({ portOf }) => settle(portOf('icap')));
    expect(await reload(configText({ icap: [second] }))).toEqual(same('taken'));
    expect(await playBoth(programs, (program) => greetingOf(program, 'icap'))).toEqual(same('second'));
    const ends = { stunnel: await say(open.stunnel, ' still'), icapgw: await say(open.icapgw, ' still') };
    expect(ends).toEqual(same('first still close_notify'));
  });

  test.each<{ readonly name: string; readonly text: () => string }>([
    { name: 'an option that nobody knows', text: () => configText({ icap: [second, 'bogus = 1'] }) },
    { name: 'a value that is wrong', text: () => configText({ icap: [second, 'TIMEOUTidle = soon'] }) },
    { name: 'a certificate that is not there', text: () => configText({ icap: [second, 'cert = /nowhere.pem'] }) },
    { name: 'a certificate without its key', text: () => configText({ icap: [second, `cert = ${lab.client.cert}`] }) },
    { name: 'a section without connect', text: () => configText({ icap: [] }) },
    { name: 'verification without a CA', text: () => configText({ icap: [second, 'verifyChain = yes'] }) },
  ])('a file with a mistake changes nothing: $name', async ({ text }) => {
    expect(await reload(text())).toEqual(same('refused'));
    expect(await playBoth(programs, (program) => greetingOf(program, 'icap'))).toEqual(same('first'));
  });

  test('a certificate in a file of the same name is read again', async () => {
    copyFileSync(lab.server.combined, certFile);
    const text = configText({ icap: [first, `cert = ${certFile}`] });
    await reload(text);
    const before = await playBoth(programs, shownSerial);
    copyFileSync(lab.selfSignedServer.combined, certFile);
    expect(await reload(text)).toEqual(same('taken'));
    const after = await playBoth(programs, shownSerial);
    expect(before.stunnel).toBe(before.icapgw);
    expect(after.stunnel).toBe(after.icapgw);
    expect(after.stunnel).not.toBe(before.stunnel);
  });

  test('a revocation list in a file of the same name is read again', async () => {
    copyFileSync(lab.intermediateCrl, crlFile);
    const chain = [first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
    await reload(configText({ icap: chain }));
    const greet = async ({ portOf }: TunnelProcess) =>
      (await visit({ port: portOf('icap'), identity: lab.revokedClient })).text;
    expect(await playBoth(programs, greet)).toEqual(same('first'));
    copyFileSync(lab.crl, crlFile);
    expect(await reload(configText({ icap: [...chain, `CRLfile = ${crlFile}`] }))).toEqual(same('taken'));
    expect(await playBoth(programs, greet)).toEqual(same(''));
  });

  test('a section comes and goes, and what it had open goes on', async () => {
    const both = configText({ icap: [first], more: [second] });
    expect(await reload(both)).toEqual(same('taken'));
    const open = await playBoth(programs, ({ portOf }) => settle(portOf('more')));
    const ports = await playBoth(programs, async ({ portOf }) => portOf('more'));
    expect(await reload(configText({ icap: [first] }))).toEqual(same('taken'));
    const refusals = { stunnel: await isRefused(ports.stunnel), icapgw: await isRefused(ports.icapgw) };
    expect(refusals).toEqual(same(true));
    const ends = { stunnel: await say(open.stunnel, ' still'), icapgw: await say(open.icapgw, ' still') };
    expect(ends).toEqual(same('second still close_notify'));
  });
});

describe('SIGHUP, otherwise on purpose', () => {
  test('a listener that stays is never closed: stunnel binds anew, here to another port', async () => {
    const before = await playBoth(programs, async ({ portOf }) => portOf('icap'));
    await reload(configText({ icap: [second] }));
    const after = await playBoth(programs, async ({ portOf }) => portOf('icap'));
    expect(after.icapgw).toBe(before.icapgw);
    expect(after.stunnel).not.toBe(before.stunnel);
  });

  test('a client that would not be let in any more is ended: in stunnel it stays', async () => {
    const chain = [first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
    await reload(configText({ icap: chain }));
    const open = await playBoth(programs, async ({ portOf }) => {
      const client = new WireClient(portOf('icap'), { identity: lab.revokedClient });
      await expect.poll(() => client.text).toBe('first');
      return client;
    });
    await reload(configText({ icap: [...chain, `CRLfile = ${lab.crl}`] }));
    expect(await open.icapgw.ended()).toBe('reset');
    expect(await say(open.stunnel, ' still')).toBe('first still close_notify');
  });

  test('a revocation list is read again without SIGHUP: in stunnel only with it', async () => {
    copyFileSync(lab.intermediateCrl, crlFile);
    const lines = [first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes', `CRLfile = ${crlFile}`];
    await reload(configText({ icap: lines }));
    const identity = lab.client;
    expect(
      await playBoth(programs, async ({ portOf }) => (await visit({ port: portOf('icap'), identity })).text),
    ).toEqual(same(''));
    copyFileSync(lab.crl, crlFile);
    const { stunnel, icapgw } = programs;
    await expect
      .poll(async () => (await visit({ port: icapgw.portOf('icap'), identity })).text, { timeout: 10_000 })
      .toBe('first');
    expect((await visit({ port: stunnel.portOf('icap'), identity })).text).toBe('');
  });
});

async function shownSerial({ portOf }: TunnelProcess): Promise<string | undefined> {
  const socket = connectTls({ host: '127.0.0.1', port: portOf('icap'), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const serial = socket.getPeerX509Certificate()?.serialNumber;
  socket.destroy();
  return serial;
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
  const refused = await promise;
  socket.destroy();
  return refused;
}
