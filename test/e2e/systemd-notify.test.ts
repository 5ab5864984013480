import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { openNotifySocket } from '../_util/notify-socket.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a gateway under a service manager', () => {
  test('says when it is ready, and when it ends how long that may take', async () => {
    await using manager = await openNotifySocket();
    vi.stubEnv('NOTIFY_SOCKET', manager.path);
    await using backend = await startTunnelBackend();
    const settings = { 'drain-delay': '50ms', 'drain-timeout': '2s' };
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }], {}, settings));
    expect(await manager.waitFor(/^READY=1$/m)).toMatch(/^STATUS=ready: 1 service, 0 connections/m);
    gateway.signal('SIGTERM');
    expect(await manager.waitFor(/^STOPPING=1$/m)).toMatch(/^EXTEND_TIMEOUT_USEC=12050000$/m);
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(manager.messages.map((message) => message.split('\n')[0])).toEqual(['READY=1', 'STOPPING=1']);
  });

  test('feeds the watchdog, and lets it know how many connections there are', async () => {
    await using manager = await openNotifySocket();
    vi.stubEnv('NOTIFY_SOCKET', manager.path);
    vi.stubEnv('WATCHDOG_USEC', '200000');
    await using backend = await startTunnelBackend();
    await using _gateway = await startGateway(tunnelConfig([{ address: backend.address }]));
    expect(await manager.waitFor(/^WATCHDOG=1$/m)).toMatch(/^STATUS=ready: 1 service, 0 connections$/m);
    expect(manager.messages[0]).toMatch(/^READY=1$/m);
  });

  test('tells of a reload when it begins, by the clock of the manager, and when it is over', async () => {
    await using manager = await openNotifySocket();
    vi.stubEnv('NOTIFY_SOCKET', manager.path);
    await using backend = await startTunnelBackend();
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }]));
    await manager.waitFor(/^READY=1$/m);
    const askedUs = process.hrtime.bigint() / 1000n;
    gateway.signal('SIGHUP');
    const beganUs = /^MONOTONIC_USEC=(\d+)$/m.exec(await manager.waitFor(/^RELOADING=1$/m))?.[1];
    expect(BigInt(beganUs ?? 0)).toBeGreaterThanOrEqual(askedUs);
    await gateway.waitForEvent('reloaded');
    await vi.waitFor(() => expect(manager.messages).toHaveLength(3));
    expect(manager.messages.at(-1)).toMatch(/^READY=1$/m);
  });

  test('goes on when it cannot be heard, and says so once', async () => {
    vi.stubEnv('NOTIFY_SOCKET', join(import.meta.dirname, 'nobody-listens-here'));
    vi.stubEnv('WATCHDOG_USEC', '200000');
    await using backend = await startTunnelBackend();
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }]));
    expect(await gateway.waitForEvent('notify-failed')).toMatchObject({
      detail: expect.stringContaining('No such file or directory'),
    });
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(gateway.events.filter(({ event }) => event === 'notify-failed')).toHaveLength(1);
  });
});
