import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EICAR } from '../../src/demo/eicar.ts';
import { hasClamAv } from '../_util/icap-clamav.ts';
import { EXAMPLES } from '../_util/recipe.ts';

const ROOT = join(EXAMPLES, '..');
/** Mounts, network and processes of its own: nothing of the machine is changed, and nothing outlives the test. */
const ALONE = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
const canBeAlone =
  userInfo().uid === 0 && spawnSync('unshare', [...ALONE, 'ip', 'link', 'set', 'lo', 'up']).status === 0;

/** In the place of the packages, which are there, and of the download: one signature, and the folders Debian looks for. */
const FRESHCLAM = `#!/bin/sh
echo 'Own.Test.Eicar:0:*:${Buffer.from(EICAR).toString('hex')}' >/var/lib/clamav/own.ndb
mkdir -p /var/lib/clamav/main.inc /var/lib/clamav/daily.inc
`;

const SCRIPT = `set -eu
ip link set lo up
cd "$1"
for folder in /etc/c-icap /etc/default; do
  mkdir -p "copy$folder" && cp -a "$folder/." "copy$folder" && mount --bind "copy$folder" "$folder"
done
for folder in /var/lib/clamav /var/log/clamav /var/log/c-icap /run; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /run/clamav /run/lock
chown clamav: /run/clamav /var/lib/clamav /var/log/clamav
chown c-icap: /var/log/c-icap
PATH="$1/stub:$PATH" sh "$2/examples/clamav/setup.sh"
PATH="$1/stub:$PATH" sh "$2/examples/clamav/setup.sh"
probe="$2/node_modules/.bin/node $2/dist/main.js probe icap://127.0.0.1:1344 --profile clamav"
$probe --eicar || echo "exit code $?"
$probe --all
ps -eo user,comm
`;

test.skipIf(!hasClamAv || !canBeAlone)(
  'the script for Debian ends with a c-icap that blocks EICAR, run once or twice',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-setup-'));
    try {
      execFileSync('mkdir', [join(folder, 'stub')]);
      writeFileSync(join(folder, 'stub/apt-get'), '#!/bin/sh\necho "apt-get $*"\n', { mode: 0o755 });
      writeFileSync(join(folder, 'stub/freshclam'), FRESHCLAM, { mode: 0o755 });
      const run = spawnSync('unshare', [...ALONE, 'sh', '-c', SCRIPT, 'sh', folder, ROOT], {
        encoding: 'utf8',
        timeout: 55_000,
      });
      const said = run.stdout + run.stderr;
      expect(run.status, said).toBe(0);
      expect(said).toMatch(/^BLOCKED {4}Own\.Test\.Eicar\.UNOFFICIAL/m);
      expect(said).toContain('exit code 3');
      expect(said).toMatch(/^WORKS {4}27 checks/m);
      // As users of their own, neither of whom may read the other's files.
      expect(said).toMatch(/^clamav +clamd$/m);
      expect(said).toMatch(/^c-icap +c-icap$/m);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
