import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { loadMaterial } from '../../src/runtime/material.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

test('a file of keys that a backend names is missed where it is named', () => {
  using folder = createConfigFolder({
    'icapgw.yaml': `services:
  - name: out
    listen: 127.0.0.1:1344
    protocol: tunnel
    tls: off
    backends:
      - address: dlp.example:11344
        tls:
          verify: false
          psk-file: gone.txt
`,
  });
  const { config, lineOf } = loadConfig(join(folder.path, 'icapgw.yaml'));
  if (config === undefined) throw new Error('not usable');
  const file = join(folder.path, 'gone.txt');
  expect(loadMaterial(config, lineOf).problems).toEqual([
    expect.objectContaining({ line: 10, message: expect.stringContaining(file) }),
  ]);
});
