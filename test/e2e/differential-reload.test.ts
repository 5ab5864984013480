import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { configText, playBoth, same, startBoth } from '../_util/differential.ts';
import { echo, type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import { describeReload, type ReloadRig, reload, say, settle } from '../_util/differential-reload.ts';
import type { TunnelProcess } from '../_util/stunnel-process.ts';
import { visit } from '../_util/tls-client.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
const certFile = join(folder, 'cert.pem');
const crlFile = join(folder, 'crl.pem');

const backends: RecordingBackend[] = [];
let rig: ReloadRig;
beforeAll(async () => {
  for (const name of ['first', 'second']) {
    const backend = await startRecordingBackend((socket) => {
      socket.write(name);
      echo(socket);
    });
    backends.push(backend);
  }
  const [first = '', second = ''] = backends.map(({ port }) => `connect = 127.0.0.1:${port}`);
  const programs = await startBoth(configText({ icap: [first] }), 'stunnel');
  rig = { programs, first, second, textOf: configText, dial: (port) => new WireClient(port, {}) };
});
afterAll(async () => {
  await rig.programs[Symbol.asyncDispose]();
  for (const backend of backends) await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  expect(await reload(rig, { icap: [rig.first] })).toEqual(same('taken'));
});

describeReload(() => rig, 'close_notify', { 'a certificate without its key': [`cert = ${lab.client.cert}`] });

describe('SIGHUP', () => {
  test('a certificate in a file of the same name is read again', async () => {
    copyFileSync(lab.server.combined, certFile);
    const sections = { icap: [rig.first, `cert = ${certFile}`] };
    await reload(rig, sections);
    const before = await playBoth(rig.programs, shownSerial);
    copyFileSync(lab.selfSignedServer.combined, certFile);
    expect(await reload(rig, sections)).toEqual(same('taken'));
    const after = await playBoth(rig.programs, shownSerial);
    expect(before.stunnel).toBe(before.icapgw);
    expect(after.stunnel).toBe(after.icapgw);
    expect(after.stunnel).not.toBe(before.stunnel);
  });

  test('a revocation list that is named from here on counts', async () => {
    const chain = [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
    await reload(rig, { icap: chain });
    const greet = async ({ portOf }: TunnelProcess) =>
      (await visit({ port: portOf('icap'), identity: lab.revokedClient })).text;
    expect(await playBoth(rig.programs, greet)).toEqual(same('first'));
    expect(await reload(rig, { icap: [...chain, `CRLfile = ${lab.crl}`] })).toEqual(same('taken'));
    expect(await playBoth(rig.programs, greet)).toEqual(same(''));
  });
});

describe('SIGHUP, otherwise on purpose', () => {
  test('a client that would not be let in any more is ended: in stunnel it stays', async () => {
    const chain = [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
    await reload(rig, { icap: chain });
    const open = await playBoth(rig.programs, ({ portOf }) =>
      settle(new WireClient(portOf('icap'), { identity: lab.revokedClient })),
    );
    await reload(rig, { icap: [...chain, `CRLfile = ${lab.crl}`] });
    expect(await open.icapgw.ended()).toBe('reset');
    expect(await say(open.stunnel, ' still')).toBe('first still close_notify');
  });

  test('a revocation list is read again without SIGHUP: in stunnel only with it', async () => {
    copyFileSync(lab.intermediateCrl, crlFile);
    const lines = [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes', `CRLfile = ${crlFile}`];
    await reload(rig, { icap: lines });
    const identity = lab.client;
    const greet = async ({ portOf }: TunnelProcess) => (await visit({ port: portOf('icap'), identity })).text;
    expect(await playBoth(rig.programs, greet)).toEqual(same(''));
    copyFileSync(lab.crl, crlFile);
    const { stunnel, icapgw } = rig.programs;
    await expect.poll(() => greet(icapgw)).toBe('first');
    expect(await greet(stunnel)).toBe('');
    expect(await reload(rig, { icap: lines })).toEqual(same('taken'));
    expect(await playBoth(rig.programs, greet)).toEqual(same('first'));
  });
});

async function shownSerial({ portOf }: TunnelProcess): Promise<string | undefined> {
  const socket = connectTls({ host: '127.0.0.1', port: portOf('icap'), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const serial = socket.getPeerX509Certificate()?.serialNumber;
  socket.destroy();
  return serial;
}
