import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { expect, test, vi } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { parsePrometheus, sampleOf } from '../_util/observe-prometheus.ts';

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

async function sayAndLeave(port: number, text: string, options: ConnectionOptions): Promise<boolean> {
  const socket = dialTunnel(port, options);
  socket.end(text);
  await receive(socket);
  socket.destroy();
  return socket.isSessionReused();
}

test('metrics, probes and the access log tell exactly what two workers did', async () => {
  await using backend = await startTunnelBackend();
  const access = { access: 'access.log' };
  const backends = [{ name: 'echo', address: backend.address }];
  await using gateway = await startGateway(tunnelConfig(backends, {}, { log: access }));
  const port = gateway.port('tunnel');
  for (let turn = 0; turn < 20; turn += 1) expect(await ask(port, 'x'.repeat(100 + turn))).toHaveLength(100 + turn);
  const { maxVersion, session } = await new Promise<{ maxVersion: SecureVersion; session: Buffer }>((resolve) => {
    const socket = dialTunnel(port, { maxVersion: 'TLSv1.2' });
    socket.once('session', (saved) => {
      socket.end();
      socket.resume();
      socket.once('close', () => resolve({ maxVersion: 'TLSv1.2', session: saved }));
    });
  });
  await sayAndLeave(port, 'again', { maxVersion, session });
  const open = dialTunnel(port);
  open.write('open');
  await once(open, 'data');

  const sentBytes = 20 * 100 + 190 + 'again'.length + 'open'.length;
  const text = await vi.waitFor(async () => {
    const body = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const families = parsePrometheus(body);
    const of = (name: string, labels: Record<string, string>) =>
      sampleOf(families, name, { service: 'tunnel', ...labels });
    expect(of('icapgw_connections_total', {})).toBe(23);
    expect(of('icapgw_connections_active', {})).toBe(1);
    expect(of('icapgw_connections_closed_total', { reason: 'client' })).toBe(22);
    expect(of('icapgw_bytes_total', { direction: 'received' })).toBe(sentBytes);
    expect(of('icapgw_bytes_total', { direction: 'sent' })).toBe(sentBytes);
    expect(of('icapgw_tls_handshakes_total', { version: 'TLSv1.3', resumed: 'false' })).toBe(21);
    expect(of('icapgw_tls_handshakes_total', { version: 'TLSv1.2', resumed: 'false' })).toBe(1);
    expect(of('icapgw_tls_handshakes_total', { version: 'TLSv1.2', resumed: 'true' })).toBe(1);
    expect(of('icapgw_backend_connections_total', { backend: 'echo', result: 'connected' })).toBe(23);
    expect(of('icapgw_backend_connections_active', { backend: 'echo' })).toBe(1);
    return body;
  });
  if (hasPromtool)
    expect(spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' }).stderr).toBe('');
  expect((await fetch(`${gateway.adminUrl}/livez`)).status).toBe(200);
  expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);

  open.end();
  await once(open, 'close');
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
  const lines = readFileSync(gateway.file.replace('gateway.conf', 'access.log'), 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(23);
  const entry = JSON.parse(lines.at(-1) ?? '');
  expect(Object.keys(entry).join()).toBe(
    'time,service,connection,client,tls,subject,backend,bytesIn,bytesOut,ms,reason',
  );
  expect(entry).toMatchObject({
    ...{ service: 'tunnel', tls: 'TLSv1.3', subject: null, backend: 'echo' },
    ...{ bytesIn: 4, bytesOut: 4, reason: 'client', client: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
  });
});
