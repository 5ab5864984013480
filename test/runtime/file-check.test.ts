import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { verifyFiles } from '../../src/runtime/file-check.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

const TOKEN = '0123456789abcdef';

/** Problems as `LINE message` of a configuration with these lines at its top. */
async function problemsOf(top: string, files: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  using folder = createConfigFolder({ 'a.yaml': `${top}\n${serviceText()}`, ...files });
  const { config, lineOf, problems } = loadConfig('a.yaml', folder.path);
  if (config === undefined) throw new Error(problems.map(({ message }) => message).join());
  return (await verifyFiles(config, lineOf)).map(({ line, message }) => `${line} ${message}`);
}

test.each([
  ['644', [/^8 the secret of the session tickets stands in this file, which every account can read: chmod 640/]],
  ['640', []],
])('a secret of tickets in a configuration of mode %s', async (mode, expected) => {
  using folder = createConfigFolder({
    'a.yaml': `services:
  - name: a
    listen: 127.0.0.1:1
    protocol: tunnel
    tls:
      cert: a.pem
      client-auth: { mode: none }
      ticket-secret: ${'a'.repeat(32)}
    backends: [{ address: '127.0.0.1:2' }]
`,
  });
  const file = join(folder.path, 'a.yaml');
  await chmod(file, Number.parseInt(mode, 8));
  const { config, lineOf, problems } = loadConfig(file, folder.path);
  if (config === undefined) throw new Error(problems.map(({ message }) => message).join());
  const told = (await verifyFiles(config, lineOf)).map(({ line, message }) => `${line} ${message}`);
  expect(told).toEqual(expected.map((text) => expect.stringMatching(text)));
});

describe('the files beside certificates', () => {
  test('are fine when they can be read, or have a folder to be written in', async () => {
    const top = `log: { file: a.log, access: b.log }\npid-file: a.pid\nadmin: { token-file: token }`;
    expect(await problemsOf(top, { token: `${TOKEN}\n` })).toEqual([]);
    expect(await problemsOf('log: { file: "-", access: "off" }')).toEqual([]);
  });

  test.each([
    ['log:\n  file: /nowhere/a.log', /^2 log\.file: there is no folder \/nowhere; make it/],
    ['log:\n  access: /nowhere/a.log', /^2 log\.access: there is no folder \/nowhere; make it/],
    ['pid-file: a.yaml/a.pid', /^1 pid-file: there is no folder .*a\.yaml; make it/],
    ['log:\n  file: /proc', /^2 log\.file: \/proc is a folder; name a file in it/],
    ['admin:\n  token-file: gone', /^2 admin\.token-file cannot be read: .*gone/],
    ['admin:\n  token-file: short', /^2 admin\.token-file holds fewer than 16 characters/],
  ])('are told of with their line: %j', async (top, text) => {
    expect(await problemsOf(top, { short: TOKEN.slice(1) })).toEqual([expect.stringMatching(text)]);
  });
});
