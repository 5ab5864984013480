import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why a source package cannot be had here: no mirror is reached, or the machine is no Debian. */
export class NoSourceError extends Error {}

const PUBLIC_MIRROR = 'http://deb.debian.org/debian';

/**
 * Fetches Debian's source package of this name, as apt trusts it, and unpacks it below `folder`; returns the folder of
 * the sources. Nothing of apt's own configuration changes. Throws NoSourceError where there is no way to it.
 */
export async function fetchDebianSource(name: string, folder: string): Promise<string> {
  for (const program of ['apt-get', 'dpkg-source']) {
    if (spawnSync(program, ['--version']).error !== undefined) throw new NoSourceError(`there is no ${program} here`);
  }
  const options = prepareApt(folder, await mirrors());
  const fetch = async (...args: readonly string[]): Promise<void> => {
    try {
      // Its own time limits end what a mirror does not answer.
      await run('apt-get', [...options, ...args], { cwd: folder, env: { ...process.env, LC_ALL: 'C' } });
    } catch (cause) {
      throw new NoSourceError(`apt-get ${args.join(' ')} failed: ${cause instanceof Error ? cause.message : cause}`);
    }
  };
  await fetch('update', '--error-on=any');
  await fetch('source', '--download-only', '--only-source', name);
  const { stdout } = await run('sh', ['-c', 'ls -- *.dsc'], { cwd: folder });
  const source = join(folder, 'source');
  await run('dpkg-source', ['--extract', stdout.trim(), source], { cwd: folder });
  return source;
}

/** Where this machine gets its Debian packages from, as lines of a sources.list for sources. */
async function mirrors(): Promise<readonly string[]> {
  const format = '$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const known = stdout
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([origin, , , component]) => origin === 'Debian' && component === 'main')
    .map(([, site, release]) => `deb-src ${site} ${release} main`);
  if (known.length > 0) return [...new Set(known)];
  // Images of containers come without the lists that say whose they are.
  const [, codename = 'stable'] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  return [`deb-src ${PUBLIC_MIRROR} ${codename} main`];
}

/** An apt of its own in `folder`; returns the options that make apt-get use it. */
function prepareApt(folder: string, sources: readonly string[]): readonly string[] {
  const list = join(folder, 'sources.list');
  const state = join(folder, 'lists');
  const cache = join(folder, 'cache');
  writeFileSync(list, `${sources.join('\n')}\n`);
  for (const path of [state, cache]) mkdirSync(join(path, 'partial'), { recursive: true });
  const settings = {
    'Dir::Etc::SourceList': list,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': state,
    'Dir::Cache': cache,
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
    // Others tell the desktop that packages may have changed.
    'APT::Update::Post-Invoke-Success::': '',
    'APT::Sandbox::User': '',
    'APT::Get::List-Cleanup': 'false',
  };
  return Object.entries(settings).flatMap(([key, value]) => ['--option', `${key}=${value}`]);
}
