import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { verifyFeed } from '../../src/runtime/feed-check.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

function check(files: Readonly<Record<string, string>>, mode = 0o640): string[] {
  using folder = createConfigFolder(files);
  chmodSync(join(folder.path, 'config.yaml'), mode);
  const { config, lineOf, problems } = loadConfig('config.yaml', folder.path, { role: 'connector' });
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return verifyFeed(config, lineOf).map(
    ({ line, severity, message, code }) => `${line} ${severity}: ${message.replaceAll(folder.path, '')} ${code}`,
  );
}

const FLAT = 'smc_endpoint: https://smc.example\ntoken_file: token\nsmc_api_key_file: key\n';
const NATIVE = `
feeds:
  guardduty:
    token-file: token
  smc:
    endpoint: https://smc.example
    api-key: k
`;

describe('files of secrets', () => {
  test('that hold one are right, with or without a line end', () => {
    expect(check({ 'config.yaml': FLAT, token: 't\n', key: ' 00123456' })).toEqual([]);
  });

  test.each([
    [
      '',
      '2 error: the token of the feed: /token is empty; make a secret with: openssl rand -hex 32 ICAPGW_CONFIG_INVALID',
    ],
    ['a b', '2 error: the token of the feed: /token must hold one line without blanks ICAPGW_CONFIG_INVALID'],
    ['x'.repeat(5000), expect.stringMatching(/^2 error: the token of the feed: \/token is larger than 4096 bytes/)],
  ])('%j is wrong, with its line', (token, problem) => {
    expect(check({ 'config.yaml': FLAT, token, key: 'k' })).toEqual([problem]);
  });

  test('that are missing are all said', () => {
    expect(check({ 'config.yaml': FLAT })).toEqual([
      expect.stringMatching(/^2 error: .* does not exist/),
      expect.stringMatching(/^3 error: .* does not exist/),
    ]);
    expect(check({ 'config.yaml': NATIVE })).toEqual([expect.stringMatching(/^4 error: .* does not exist/)]);
  });
});

test('a secret in a file that every account can read is warned about', () => {
  expect(check({ 'config.yaml': NATIVE, token: 't' }, 0o644)).toEqual([
    '7 warning: the API key of the SMC stands in this file, which every account can read: chmod 640, or put it in a file of its own ICAPGW_CONFIG_UNSAFE',
  ]);
  expect(check({ 'config.yaml': FLAT, token: 't', key: 'k' }, 0o644)).toEqual([]);
});

test('certificates that cannot be used are said', () => {
  const text =
    'feeds:\n  guardduty:\n    token: t\n    tls: { cert: cert.pem }\n  smc:\n    endpoint: https://smc\n    api-key: k\n    ca: ca.pem\n';
  expect(check({ 'config.yaml': text, 'cert.pem': 'x' })).toEqual([
    expect.stringMatching(/^4 error: .*\/cert\.pem.*ICAPGW_TLS_MATERIAL$/),
    expect.stringMatching(/^8 error: .*\/ca\.pem.*ICAPGW_TLS_MATERIAL$/),
  ]);
});
