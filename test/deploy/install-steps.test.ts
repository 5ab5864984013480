import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
/** On every machine with systemd; /etc/sysusers.d is not, on Debian 12. */
const THERE = new Set(['/etc/systemd/system/']);

test.each(['deploy/README.md', 'docs/stunnel-migration.md'])('%s makes the folders that it copies units to', (page) => {
  const blocks = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^( *)```sh\n([\s\S]*?)^\1```/gm)];
  const block = blocks.map(([, , text = '']) => text).find((text) => text.includes('sysusers/')) ?? '';
  const made = [...block.matchAll(/^ *mkdir -p (.*)$/gm)].flatMap(([, folders = '']) => folders.split(' '));
  const targets = [...block.matchAll(/^ *cp .*? (\/etc\/s?\S+\.d\/|\/etc\/systemd\/\S+)$/gm)].map(([, to = '']) => to);
  expect(targets).toContain('/etc/sysusers.d/');
  expect(targets.filter((to) => !THERE.has(to) && !made.includes(to.slice(0, -1)))).toEqual([]);
});

test('deploy/README.md says where each unit and each Compose file goes, and how the connector is started', () => {
  const page = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
  const files = ['systemd', 'connector', 'aws'].flatMap((folder) =>
    readdirSync(join(ROOT, 'deploy', folder), { withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.service$|\.target$|^compose|^guardduty/.test(entry.name))
      .map(({ name }) => `${folder}/${name}`),
  );
  expect(files).toContain('connector/icapgw-connector.service');
  expect(files.filter((file) => !page.includes(`\`${file}\``))).toEqual([]);
  expect(page).toMatch(/^cp connector\/icapgw-connector\.service \/etc\/systemd\/system\/$/m);
  expect(page).toMatch(/^systemctl enable --now icapgw-connector$/m);
});
