import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { analyze, DEPLOY, install, makeFolder } from '../_util/deploy-systemd.ts';

/** Of 100: an exposure of 2.8. It starts as root; the unit of Debian's package has 9.4. */
const MOST_EXPOSED = '28';
const UNIT = 'icapgw-stunnel@.service';
const TARGET = 'icapgw-stunnel.target';

describe(UNIT, () => {
  test('has nothing that systemd does not understand, and neither has its target', () => {
    using folder = makeFolder();
    const target = install(folder.path, TARGET, []);
    expect(analyze('verify', install(folder.path, UNIT, []), target)).toEqual({ status: 0, said: '' });
  });

  test('gives a process that starts as root little to do harm with', () => {
    using folder = makeFolder();
    const file = install(folder.path, UNIT, []);
    const { status, said } = analyze('security', '--offline=true', `--threshold=${MOST_EXPOSED}`, '--no-pager', file);
    expect(status, said).toBe(0);
  });

  test('cannot run beside the stunnel of the same file, and the target not beside that of all files', () => {
    const read = (name: string) => readFileSync(join(DEPLOY, 'systemd', name), 'utf8');
    expect(read(UNIT)).toMatch(/^Conflicts=stunnel@%i\.service$/m);
    expect(read(TARGET)).toMatch(/^Conflicts=stunnel4\.service stunnel\.service stunnel\.target$/m);
    // Without an order the one could start before the other has let go of the ports.
    expect(read(UNIT)).toMatch(/^After=stunnel@%i\.service stunnel4\.service /m);
  });
});

/** Runs the generator for a machine whose /etc/default/stunnel4 says `defaults`, with `@` for a folder of configurations. */
function generate(folder: string, defaults: string | undefined, names: readonly string[]) {
  mkdirSync(join(folder, 'etc'));
  mkdirSync(join(folder, 'units'));
  for (const name of names) writeFileSync(join(folder, 'etc', name), '');
  const file = join(folder, 'defaults');
  if (defaults !== undefined) writeFileSync(file, defaults.replaceAll('@', join(folder, 'etc')));
  const { status, stderr } = spawnSync(join(DEPLOY, 'systemd/icapgw-stunnel-generator'), [join(folder, 'units')], {
    encoding: 'utf8',
    env: {
      ...process.env,
      ICAPGW_STUNNEL_DEFAULTS: `${file} ${file}.icapgw`,
      ICAPGW_STUNNEL_UNIT: '/units/icapgw-stunnel@.service',
    },
  });
  const wants = join(folder, 'units', `${TARGET}.wants`);
  return { status, stderr, wanted: existsSync(wants) ? readdirSync(wants).toSorted() : [], wants };
}

describe('icapgw-stunnel-generator', () => {
  test('wants a unit for each file that the script of Debian would start', () => {
    using folder = makeFolder();
    const { status, wanted, wants } = generate(folder.path, 'FILES="@/*.conf @/special"\n', [
      'a.conf',
      'b-2.conf',
      'README',
      'special',
    ]);
    expect({ status, wanted }).toEqual({
      status: 0,
      wanted: ['icapgw-stunnel@a.service', 'icapgw-stunnel@b-2.service', 'icapgw-stunnel@special.service'],
    });
    expect(readlinkSync(join(wants, 'icapgw-stunnel@a.service'))).toBe('/units/icapgw-stunnel@.service');
  });

  test('reads the defaults that are for icapgw alone after those of the package', () => {
    using folder = makeFolder();
    writeFileSync(join(folder.path, 'defaults.icapgw'), `FILES="${folder.path}/etc/b.conf"\n`);
    const { wanted } = generate(folder.path, 'FILES="@/*.conf"\n', ['a.conf', 'b.conf']);
    expect(wanted).toEqual(['icapgw-stunnel@b.service']);
  });

  test('takes a file that is named twice once, and tells of another that would be the same unit', () => {
    using folder = makeFolder();
    const { wanted, stderr } = generate(folder.path, 'FILES="@/a.conf @/*.conf @/a"\n', ['a.conf', 'b.conf', 'a']);
    expect(wanted).toEqual(['icapgw-stunnel@a.service', 'icapgw-stunnel@b.service']);
    expect(stderr).toMatch(/^icapgw-stunnel: \S+\/etc\/a is left out: another file is called a too[^\n]*\n$/);
    const dropIn = join(folder.path, 'units/icapgw-stunnel@a.service.d/file.conf');
    expect(readFileSync(dropIn, 'utf8')).toContain('/etc/a.conf\n');
  });

  test('tells the unit of a file that is elsewhere where that is, in words that systemd understands', () => {
    using folder = makeFolder();
    generate(folder.path, 'FILES="@/a.conf"\n', ['a.conf']);
    const file = install(folder.path, UNIT, []);
    const dropIn = join(folder.path, 'units/icapgw-stunnel@a.service.d/file.conf');
    expect(readFileSync(dropIn, 'utf8')).toBe(`[Service]\nEnvironment=ICAPGW_CONFIG=${folder.path}/etc/a.conf\n`);
    writeFileSync(join(`${file}.d`, 'file.conf'), readFileSync(dropIn));
    expect(analyze('verify', file)).toEqual({ status: 0, said: '' });
  });

  test.each([
    ['ENABLED is 0', 'ENABLED=0\nFILES="@/*.conf"\n'],
    ['there are no files', 'FILES="@/nothing/*.conf"\n'],
  ])('wants nothing where %s', (_, defaults) => {
    using folder = makeFolder();
    expect(generate(folder.path, defaults, ['a.conf'])).toMatchObject({ status: 0, stderr: '', wanted: [] });
  });

  test('leaves out names that mean something to systemd, and says so', () => {
    using folder = makeFolder();
    const { wanted, stderr } = generate(folder.path, `FILES='@/*.conf'\n`, ['50%n.conf', 'a"b.conf', 'good.conf']);
    expect(wanted).toEqual(['icapgw-stunnel@good.service']);
    expect(stderr).toMatch(/50%n\.conf is left out: rename it/);
    expect(stderr).toMatch(/a"b\.conf is left out/);
  });
});
