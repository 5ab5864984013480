import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { analyze, DEPLOY, install, makeFolder } from '../_util/deploy-systemd.ts';

const UNITS = ['icapgw.service', 'icapgw@.service'];
/** Of 100: an exposure of 1.5. */
const MOST_EXPOSED = '15';
const SYSTEMD_VERSION = Number(/\d+/.exec(execFileSync('systemd-analyze', ['--version'], { encoding: 'utf8' }))?.[0]);
/** The first that knows Type=notify-reload. */
const NOTIFY_RELOAD = 253;

describe.each(UNITS)('%s', (unit) => {
  test('has nothing that systemd does not understand', () => {
    using folder = makeFolder();
    expect(analyze('verify', install(folder.path, unit, []))).toEqual({ status: 0, said: '' });
  });

  test('gives the gateway little to do harm with', () => {
    using folder = makeFolder();
    const file = install(folder.path, unit, []);
    const { status, said } = analyze('security', '--offline=true', `--threshold=${MOST_EXPOSED}`, '--no-pager', file);
    expect(status, said).toBe(0);
  });

  test('lets the gateway use ports below 1024, and no other capability', () => {
    using folder = makeFolder();
    const file = install(folder.path, unit, ['low-ports.conf']);
    expect(analyze('verify', file)).toEqual({ status: 0, said: '' });
    const { said } = analyze('security', '--offline=true', '--json=short', file);
    const checks = JSON.parse(said) as { readonly name: string; readonly set: boolean | null }[];
    const missing = checks.filter(({ name, set }) => name.startsWith('CapabilityBoundingSet=') && set === false);
    expect(missing.map(({ name }) => name)).toEqual(['CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)']);
  });

  test.skipIf(SYSTEMD_VERSION < NOTIFY_RELOAD)('can be told by systemd itself to reload', () => {
    using folder = makeFolder();
    const file = install(folder.path, unit, ['notify-reload.conf']);
    expect(analyze('verify', file)).toEqual({ status: 0, said: '' });
  });
});

test('both units are the same but for names', () => {
  const [one = '', several = ''] = UNITS.map((unit) => readFileSync(join(DEPLOY, 'systemd', unit), 'utf8'));
  const settings = (text: string): string => text.slice(text.indexOf('[Unit]'));
  const asOne = settings(several)
    .replaceAll(' (%i)', '')
    .replaceAll('/etc/icapgw/%i.yaml', '/etc/icapgw/icapgw.yaml')
    .replaceAll(/icapgw-%i$/gm, 'icapgw');
  expect(asOne).toBe(settings(one));
});

// Only root gives files to a group it is not in.
test.skipIf(process.getuid?.() !== 0)(
  'sysusers and tmpfiles let the group, and nobody else, read keys and configuration',
  () => {
    using folder = makeFolder();
    const root = folder.path;
    chmodSync(root, 0o755);
    mkdirSync(join(root, 'etc/icapgw'), { recursive: true });
    cpSync('/etc/passwd', join(root, 'etc/passwd'));
    cpSync('/etc/group', join(root, 'etc/group'));
    writeFileSync(join(root, 'etc/icapgw/dlp.pem'), 'a key', { mode: 0o600 });
    execFileSync('systemd-sysusers', [`--root=${root}`, join(DEPLOY, 'sysusers/icapgw.conf')], { stdio: 'pipe' });
    execFileSync('systemd-tmpfiles', ['--create', `--root=${root}`, join(DEPLOY, 'tmpfiles/icapgw.conf')]);
    const gid = Number(/^icapgw-keys:[^:]*:(\d+):/m.exec(readFileSync(join(root, 'etc/group'), 'utf8'))?.[1]);
    const modes = ['etc/icapgw', 'etc/icapgw/dlp.pem'].map((name) => {
      const { mode, uid, gid: group } = statSync(join(root, name));
      return { mode: (mode & 0o777).toString(8), uid, group };
    });
    expect(modes).toEqual([
      { mode: '750', uid: 0, group: gid },
      { mode: '640', uid: 0, group: gid },
    ]);
  },
);
