import { describe, expect, test } from 'vitest';
import { addCheckCommand, type VerifyMaterial } from '../../src/cli/check.ts';
import { type CliRecorderOptions, runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

const NO_MATERIAL: VerifyMaterial = () => [];

function check(args: readonly string[], options: CliRecorderOptions, verifyMaterial = NO_MATERIAL) {
  return runCli(['check', ...args], (program, io) => addCheckCommand(program, io, verifyMaterial), options);
}

describe('check', () => {
  test('says that a file is usable', async () => {
    using folder = createConfigFolder({ 'a.yaml': serviceText() });
    expect(await check(['a.yaml'], { cwd: folder.path })).toEqual({
      stdout: 'a.yaml: usable\n',
      stderr: '',
      exitCode: 0,
    });
  });

  test('prints every problem where an editor can jump to, then the sum', async () => {
    using folder = createConfigFolder({
      'a.yaml': serviceText({ tls: '{ cert: a.pem }', extra: 'nope: 1\ntimeouts: { idle: 5 }' }),
    });
    const { stdout, stderr, exitCode } = await check(['a.yaml'], { cwd: folder.path });
    const [warning, unknown, wrong, sum, end] = stdout.split('\n');
    expect(warning).toMatch(/^a\.yaml:5: warning: services\[0\]\.tls: .* \[ICAPGW_CONFIG_UNSAFE\]$/);
    expect(unknown).toBe('a.yaml:8: error: services[0].nope: is not a known key [ICAPGW_CONFIG_INVALID]');
    expect(wrong).toMatch(/^a\.yaml:9: error: services\[0\]\.timeouts\.idle: must be a duration/);
    expect([sum, end, stderr, exitCode]).toEqual(['a.yaml: 2 errors, 1 warning', '', '', 2]);
  });

  test('allows warnings', async () => {
    using folder = createConfigFolder({ 'a.yaml': serviceText({ tls: '{ cert: a.pem }' }) });
    const { stdout, exitCode } = await check(['a.yaml'], { cwd: folder.path });
    expect(stdout).toMatch(/\na\.yaml: usable, 1 warning\n$/);
    expect(exitCode).toBe(0);
  });

  test('prints one JSON object for scripts', async () => {
    using folder = createConfigFolder({ 'a.yaml': serviceText({ extra: 'nope: 1' }) });
    const { stdout, exitCode } = await check(['--json', 'a.yaml'], { cwd: folder.path, isTTY: true });
    expect(JSON.parse(stdout)).toEqual({
      file: 'a.yaml',
      usable: false,
      problems: [
        {
          severity: 'error',
          file: 'a.yaml',
          line: 8,
          message: 'services[0].nope: is not a known key',
          code: 'ICAPGW_CONFIG_INVALID',
        },
      ],
    });
    expect(exitCode).toBe(2);
  });

  test('is colourful on a terminal only, unless NO_COLOR', async () => {
    using folder = createConfigFolder({ 'a.yaml': serviceText({ extra: 'nope: 1' }) });
    const colored = await check(['a.yaml'], { cwd: folder.path, isTTY: true });
    const plain = await check(['a.yaml'], { cwd: folder.path, isTTY: true, env: { NO_COLOR: '1' } });
    expect(colored.stdout).toContain('\u001b[31merror:');
    expect(plain.stdout).not.toContain('\u001b');
  });

  test('opens certificates only when the rest is right', async () => {
    using folder = createConfigFolder({ good: serviceText(), bad: serviceText({ extra: 'nope: 1' }) });
    const seen: string[] = [];
    const verify: VerifyMaterial = ({ services }, lineOf) => {
      seen.push(...services.map(({ name }) => name));
      const line = lineOf(['services', 0, 'tls']);
      return [{ severity: 'error', file: 'good', line, message: 'dlp.pem: no key', code: 'ICAPGW_TLS_MATERIAL' }];
    };
    const { stdout, exitCode } = await check(['good'], { cwd: folder.path }, verify);
    expect(stdout).toBe('good:5: error: dlp.pem: no key [ICAPGW_TLS_MATERIAL]\ngood: 1 error\n');
    expect(exitCode).toBe(2);
    await check(['bad'], { cwd: folder.path }, verify);
    expect(seen).toEqual(['dlp']);
  });

  test('reads a stunnel.conf too', async () => {
    using folder = createConfigFolder({ 'stunnel.conf': '[dlp]\naccept = 1\nconnect = 1344\ncert = a\nbogus = 1\n' });
    const { stdout, exitCode } = await check(['stunnel.conf'], { cwd: folder.path });
    expect(stdout).toMatch(/^stunnel\.conf:5: error: /m);
    expect(exitCode).toBe(2);
  });

  test('names a file that is not there', async () => {
    expect(await check(['/nowhere.yaml'], { cwd: '/' })).toEqual({
      stdout: '/nowhere.yaml: error: does not exist [ICAPGW_CONFIG_READ]\n/nowhere.yaml: 1 error\n',
      stderr: '',
      exitCode: 2,
    });
  });

  test('needs a file, and its help has examples', async () => {
    expect(await check([], { cwd: '/' })).toMatchObject({ stdout: '', exitCode: 2 });
    const { stdout, exitCode } = await check(['--help'], { cwd: '/' });
    expect(stdout).toContain('$ icapgw check /etc/stunnel/stunnel.conf');
    expect(exitCode).toBe(0);
  });
});
