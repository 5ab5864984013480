import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { answering } from '../_util/icap-script-backend.ts';
import { driveScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { blocked, HTTP_FORBIDDEN, HTTP_OK, options, reqmod, respmod, rest } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';
import { startTlsIcapServer, type TlsIcapServer } from '../_util/icap-tls-server.ts';

type Scenario = 'front' | 'back';

/** Built from its parts, so that no scanner takes this file for it. */
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', 'STANDARD', 'ANTIVIRUS', 'TEST', 'FILE!$H+H*'].join('-');

let rig: Rig<Scenario>;
let behind: TlsIcapServer;

beforeAll(async () => {
  const { server, ca, client } = certificates();
  behind = await startTlsIcapServer(server, ca.cert);
  const tls = { cert: server.cert, key: server.key, 'client-auth': { mode: 'require', ca: ca.cert } };
  const backend = { address: `127.0.0.1:${behind.port}`, tls: { ca: ca.cert, cert: client.cert, key: client.key } };
  rig = await startRig<Scenario>({ front: { config: { tls } }, back: { backends: [backend], config: { tls } } });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await behind[Symbol.asyncDispose]();
});

async function connectTls(service: Scenario, identity: LabIdentity): Promise<ScriptClient> {
  const options = { cert: readFileSync(identity.cert), key: readFileSync(identity.key), allowHalfOpen: true };
  const port = rig.gateway.port(service);
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return driveScriptClient(socket);
}

describe('over TLS', () => {
  test('a client with a certificate is served as in clear', async () => {
    await using client = await connectTls('front', certificates().client);
    expect((await client.ask(options())).status).toBe(200);
    expect((await client.ask(reqmod({ preview: 4, body: 'docu' }))).status).toBe(204);
    const body = Buffer.alloc(1024 * 1024, 'a long page ');
    const same = await client.ask(respmod({ body }));
    expect([same.status, same.section('res-hdr'), same.body.equals(body)]).toEqual([200, HTTP_OK, true]);
    rig.backend('front').script = answering(blocked('no'));
    const page = await client.ask(reqmod({ body: 'document' }));
    expect([page.section('res-hdr'), page.body.toString()]).toEqual([HTTP_FORBIDDEN, 'no']);
    const [line] = await rig.access('front', 1);
    expect(line).toMatchObject({ tls: 'TLSv1.3', subject: expect.stringContaining('CN=') });
  });

  test('a client without a good one is not', async () => {
    await using client = await connectTls('front', certificates().selfSignedClient);
    const { length } = rig.backend('front').exchanges;
    await expect(client.ask(reqmod({ body: 'document' }))).rejects.toThrow('without an answer');
    expect(rig.backend('front').exchanges).toHaveLength(length);
  });

  test('a backend behind TLS is asked over connections that are used again', async () => {
    await using client = await connectTls('back', certificates().client);
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await client.ask(reqmod({ preview: 64, body: 'clean' }))).status).toBe(204);
    }
    expect((await client.ask(respmod({ preview: 8, body: EICAR }))).status).toBe(100);
    await client.send(rest(EICAR, 8));
    expect((await client.answer('RESPMOD')).section('res-hdr')).toContain('403');
    const labels = { service: 'back', result: 'connected' };
    expect(await rig.gateway.metric('icapgw_backend_connections_total', labels)).toBe(1);
    expect((await rig.access('back', 4)).at(-1)).toMatchObject({ verdict: 'blocked', backend: 'backend-0' });
  });
});
