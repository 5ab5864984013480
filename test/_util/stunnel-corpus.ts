import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** What the Debian package of stunnel shows its users; read where it is installed, as it is not ours to copy. */
export const DEBIAN_SAMPLE = '/usr/share/doc/stunnel4/examples/stunnel.conf-sample';

/** Real configurations and those of the golden cases, with the files they include. */
export function readCorpus(): readonly string[] {
  const own = [
    'stunnel-compat/cases/*/stunnel.conf',
    'stunnel-compat/cases/*/conf.d/*',
    'examples/cloud-clients/*.conf',
  ];
  const files = globSync(own, { cwd: ROOT, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted();
  return [...names, ...(existsSync(DEBIAN_SAMPLE) ? [DEBIAN_SAMPLE] : [])].map((file) => readFileSync(file, 'utf8'));
}
