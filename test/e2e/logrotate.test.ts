import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

const RULES = readFileSync(join(import.meta.dirname, '../../deploy/logrotate/icapgw'), 'utf8');

test('logrotate takes the access log away, and the gateway goes on in a new one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-rotate-'));
  try {
    await using backend = await startTunnelBackend();
    const access = join(folder, 'access.log');
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }], {}, { log: { access } }));
    writeFileSync(access, 'a line of yesterday\n', { flag: 'a' });
    // As it is, but for the folder, which is not there on every machine, and for systemd, which does not run on every one.
    const here = RULES.replace(/^\/var\/log\/icapgw.*\{$/m, `${folder}/*.log {`).replace(
      /^ *systemctl kill .*$/m,
      `kill -USR1 ${gateway.pid}`,
    );
    const rules = join(folder, 'rules');
    writeFileSync(rules, here, { mode: 0o644 });
    execFileSync('logrotate', ['--force', '--state', join(folder, 'state'), rules], { stdio: 'pipe' });

    await vi.waitFor(() => expect(existsSync(access)).toBe(true), { timeout: 5000 });
    expect(readFileSync(access, 'utf8')).toBe('');
    expect(readFileSync(`${access}.1`, 'utf8')).toBe('a line of yesterday\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
