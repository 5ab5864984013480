import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, dialTunnel, startTunnelBackend } from '../_util/e2e-tunnel.ts';

function stunnelConf(backends: readonly { readonly address: string }[], failover: string): string {
  const { server } = certificates();
  return `
    foreground = yes
    icapgw.log.format = json
    icapgw.log.level = debug
    icapgw.admin.listen = 127.0.0.1:0
    [tunnel]
    accept = 127.0.0.1:0
    cert = ${server.cert}
    key = ${server.key}
    ${backends.map(({ address }) => `connect = ${address}`).join('\n    ')}
    ${failover}
    icapgw.health.interval = 200ms
  `;
}

describe('a stunnel.conf with two connect lines', () => {
  test('uses the first while it answers, then the second; with none the client is reset and counted', async () => {
    await using first = await startTunnelBackend();
    await using second = await startTunnelBackend();
    await using gateway = await startGateway(stunnelConf([first, second], ''));
    const port = gateway.port('tunnel');
    for (let turn = 0; turn < 6; turn += 1) expect(await ask(port)).toBe('ping');
    expect([first.served(), second.served()]).toEqual([6, 0]);

    await first[Symbol.asyncDispose]();
    for (let turn = 0; turn < 6; turn += 1) expect(await ask(port)).toBe('ping');
    expect(second.served()).toBe(6);

    await second[Symbol.asyncDispose]();
    for (const name of [first.address, second.address]) {
      await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === name && to === 'down');
    }
    const refused = dialTunnel(port);
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => refused.once('error', resolve));
    expect(error.code).toBe('ECONNRESET');
    await gateway.waitForEvent('no-backend');
    expect(await gateway.waitForEvent('connection-closed', ({ reason }) => reason === 'no-backend')).toBeDefined();
    expect(await gateway.metric('icapgw_backend_last_resort_total')).toBeGreaterThan(0);
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(503);
  });

  test('spreads over both with failover = rr, and goes on with the one that is left', async () => {
    await using first = await startTunnelBackend();
    await using second = await startTunnelBackend();
    await using gateway = await startGateway(stunnelConf([first, second], 'failover = rr'));
    const port = gateway.port('tunnel');
    for (let turn = 0; turn < 10; turn += 1) expect(await ask(port)).toBe('ping');
    expect([first.served(), second.served()]).toEqual([5, 5]);
    await first[Symbol.asyncDispose]();
    for (let turn = 0; turn < 10; turn += 1) expect(await ask(port)).toBe('ping');
    expect(second.served()).toBe(15);
  });
});
