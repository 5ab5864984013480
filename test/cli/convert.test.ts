import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addConvertCommand } from '../../src/cli/convert.ts';
import { loadConfig } from '../../src/config/load.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

const STUNNEL = `; Ask Jane before changing this

pid = stunnel.pid

; the cloud's side
[microsoft-Cloud App Security]
accept = 0.0.0.0:11344
connect = 10.0.0.5:1344
cert = C:\\Program Files (x86)\\stunnel\\config\\stunnel-key.pem
CAfile = MCASCAfile.pem
TIMEOUTclose = 0
`;

function convert(file: string, cwd: string) {
  return runCli(['convert', file], addConvertCommand, { cwd });
}

describe('convert', () => {
  test('writes YAML to standard output and warnings to standard error', async () => {
    using folder = createConfigFolder({ 'stunnel.conf': STUNNEL });
    const { stdout, stderr, exitCode } = await convert('stunnel.conf', folder.path);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^stunnel\.conf:10: warning: .*CAfile/);
    expect(stdout.replaceAll(folder.path, '/etc/stunnel')).toMatchInlineSnapshot(`
      "# Converted from stunnel.conf by icapgw. A key that is not here has its default.

      # Ask Jane before changing this

      log:
        level: notice

      pid-file: /etc/stunnel/stunnel.pid

      services:
        # the cloud's side
        - name: microsoft-Cloud App Security
          listen: 0.0.0.0:11344
          protocol: tunnel
          tls:
            cert: C:\\Program Files (x86)\\stunnel\\config\\stunnel-key.pem
            ciphers: HIGH:!aNULL:!SSLv2:!DH:!kDHEPSK
            ciphersuites: TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256
            security-level: 2
            client-auth:
              ca: /etc/stunnel/MCASCAfile.pem
          timeouts:
            handshake: 5m
            close: 0s
          backends:
            - address: 10.0.0.5:1344
          health:
            type: tcp
      "
    `);
  });

  test('gives what loads as the same configuration', async () => {
    using folder = createConfigFolder({ 'stunnel.conf': STUNNEL });
    const { stdout } = await convert('stunnel.conf', folder.path);
    using elsewhere = createConfigFolder({ 'icapgw.yaml': stdout });
    const { config: before } = loadConfig('stunnel.conf', folder.path);
    const { config: after, problems } = loadConfig(join(elsewhere.path, 'icapgw.yaml'), '/');
    expect(problems).toEqual([]);
    expect(after).toEqual({ ...before, file: join(elsewhere.path, 'icapgw.yaml'), format: 'yaml' });
  });

  test('gives the same text each time, for Windows lines as for others, and check has nothing against it', async () => {
    const windows = `\uFEFF${STUNNEL.replaceAll('\n', '\r\n')}`;
    using folder = createConfigFolder({ 'a.conf': STUNNEL, 'b.conf': windows });
    const [once, again, other] = [
      await convert('a.conf', folder.path),
      await convert('a.conf', folder.path),
      await convert('b.conf', folder.path),
    ];
    expect(again).toEqual(once);
    expect(other?.stdout).toBe(once?.stdout.replace('a.conf', 'b.conf'));
    using elsewhere = createConfigFolder({ 'icapgw.yaml': once?.stdout ?? '' });
    expect(loadConfig('icapgw.yaml', elsewhere.path).problems).toEqual([]);
  });

  test('writes nothing to standard output when the file cannot be used', async () => {
    using folder = createConfigFolder({ 'stunnel.conf': `${STUNNEL}bogus = 1\nicapgw.nope = 1\n` });
    const { stdout, stderr, exitCode } = await convert('stunnel.conf', folder.path);
    expect([stdout, exitCode]).toEqual(['', 2]);
    expect(stderr).toMatch(/^stunnel\.conf:12: error: .*bogus/m);
    expect(stderr).toMatch(/^stunnel\.conf:13: error: \[microsoft-Cloud App Security\] nope: is not a known key/m);
  });

  test('has nothing to do for YAML', async () => {
    using folder = createConfigFolder({ 'a.yaml': serviceText() });
    expect(await convert('a.yaml', folder.path)).toEqual({
      stdout: '',
      stderr: 'a.yaml: error: is native YAML already; there is nothing to convert [ICAPGW_CONFIG_INVALID]\n',
      exitCode: 2,
    });
  });

  test('names a file that is not there', async () => {
    expect(await convert('/nowhere', '/')).toEqual({
      stdout: '',
      stderr: '/nowhere: error: does not exist [ICAPGW_CONFIG_READ]\n',
      exitCode: 2,
    });
  });

  test('has examples in its help', async () => {
    const { stdout } = await convert('--help', '/');
    expect(stdout).toContain('$ icapgw convert /etc/stunnel/stunnel.conf > icapgw.yaml');
  });
});
