import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { replaceFile } from '../_util/e2e-reload.ts';
import { startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { createFolder } from '../_util/observe-log.ts';
import { type TlsVisit, VERSIONS, visit } from '../_util/tls-client.ts';

const lab = certificates();
const PATIENCE_MS = 20_000;
const SECRET = '0123456789abcdef0123456789abcdef';

function start(backend: string, secret: object): Promise<RunningGateway> {
  const { cert, key } = lab.server;
  return startGateway(
    tunnelConfig([{ address: backend }], { tls: { cert, key, 'client-auth': { ca: lab.ca.cert }, ...secret } }),
  );
}

describe.each(VERSIONS)('sessions of %s and gateways with a secret for tickets', (version) => {
  const come = (gateway: RunningGateway, session?: Buffer): Promise<TlsVisit> =>
    visit({ port: gateway.port('tunnel'), version, identity: lab.client, ...(session && { session }) });

  test('are resumed by every gateway with the same one, until it changes', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend((socket) => socket.end('hello'));
    const file = folder.file('secret');
    replaceFile(file, `${SECRET}\n`);
    const shown = readFileSync(file, 'utf8').trim();
    await using inFile = await start(backend.address, { 'ticket-secret-file': file });
    await using inline = await start(backend.address, { 'ticket-secret': shown });
    await using without = await start(backend.address, {});
    const { session } = await come(inFile);
    expect(await come(inline, session)).toMatchObject({ text: 'hello', isReused: true });
    expect(await come(without, session)).toMatchObject({ text: 'hello', isReused: false });
    const back = await come(inline);
    expect(await come(inFile, back.session)).toMatchObject({ text: 'hello', isReused: true });

    replaceFile(file, `${SECRET.toUpperCase()}\n`);
    // Each worker takes it when it comes to that.
    const isReused = async (): Promise<boolean> => (await come(inFile, back.session)).isReused;
    await expect.poll(isReused, { timeout: PATIENCE_MS }).toBe(false);
    expect(await come(inFile)).toMatchObject({ text: 'hello' });
    for (const { events, stderr } of [inFile, inline]) expect(JSON.stringify(events) + stderr).not.toContain(SECRET);
  });
});
