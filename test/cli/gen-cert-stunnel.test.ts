import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { expect, test } from 'vitest';
import { addGenCertCommand } from '../../src/cli/gen-cert.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { startStunnelEcho } from '../_util/stunnel-server.ts';

/** What comes back through stunnel for a client that verifies it. */
async function echo(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ...options });
  socket.end('hello');
  const chunks: Buffer[] = await socket.toArray();
  return Buffer.concat(chunks).toString();
}

test.each([{ keyType: 'rsa' }, { keyType: 'ec' }])(
  'the real stunnel serves the $keyType file, and a client that was given cert.pem trusts it',
  async ({ keyType }) => {
    using folder = createConfigFolder({});
    await runCli(['gen-cert', '--cn', 'localhost', '--key-type', keyType], addGenCertCommand, { cwd: folder.path });
    await using server = await startStunnelEcho([`cert = ${folder.path}/stunnel-key.pem`]);
    const ca = readFileSync(join(folder.path, 'cert.pem'));
    expect(await echo(server.port, { ca })).toBe('hello');
  },
);

test('the real stunnel verifies the lab client against the lab CA', async () => {
  using folder = createConfigFolder({});
  const args = ['gen-cert', '--cn', 'localhost', '--key-type', 'ec', '--client'];
  await runCli(args, addGenCertCommand, { cwd: folder.path });
  await using server = await startStunnelEcho([
    `cert = ${folder.path}/stunnel-key.pem`,
    `CAfile = ${folder.path}/ca.pem`,
    'verifyChain = yes',
  ]);
  const [ca, cert, key] = ['ca.pem', 'client.pem', 'client-key.pem'].map((name) =>
    readFileSync(join(folder.path, name)),
  );
  expect(await echo(server.port, { ca, cert, key })).toBe('hello');
  const stranger = connect({ port: server.port, host: '127.0.0.1', servername: 'localhost', ca: ca ?? '' });
  const [error] = await once(stranger, 'error');
  expect(error).toMatchObject({ code: expect.stringMatching(/CERTIFICATE_REQUIRED|ECONNRESET|EPIPE/) });
});
