import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { verifyFeed } from '../../src/runtime/feed-check.ts';
import { certificates } from '../_util/certificates.ts';
import { type ConfigFolder, createConfigFolder } from '../_util/config-folder.ts';

/** As who knows what is in them leaves them. */
function createClosedFolder(files: Readonly<Record<string, string>>): ConfigFolder {
  const folder = createConfigFolder(files);
  for (const name of Object.keys(files)) chmodSync(join(folder.path, name), 0o640);
  return folder;
}

function check(files: Readonly<Record<string, string>>, mode = 0o640, opened = 'config.yaml'): string[] {
  using folder = createClosedFolder(files);
  chmodSync(join(folder.path, opened), mode);
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

test('the file of a secret is too', () => {
  expect(check({ 'config.yaml': FLAT, token: 't', key: 'k' }, 0o644, 'token')).toEqual([
    '2 warning: /token: holds the token of the feed and every account can read it: chmod 640 ICAPGW_CONFIG_UNSAFE',
  ]);
  expect(check({ 'config.yaml': FLAT, token: 't', key: 'k' }, 0o604, 'key')).toEqual([
    '3 warning: /key: holds the API key of the SMC and every account can read it: chmod 640 ICAPGW_CONFIG_UNSAFE',
  ]);
  expect(check({ 'config.yaml': FLAT, token: 't', key: 'k' }, 0o640, 'key')).toEqual([]);
});

describe('a folder of the state that is there already', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  function checkFolder(text: string, mode: number, from: 'configuration' | 'environment' = 'configuration'): string[] {
    using folder = createClosedFolder({ 'config.yaml': text, token: 't', key: 'k' });
    const state = join(folder.path, 'state');
    mkdirSync(state);
    chmodSync(state, mode);
    if (from === 'environment') vi.stubEnv('STATE_DIRECTORY', `${state}:/nowhere`);
    const { config, lineOf } = loadConfig('config.yaml', folder.path, { role: 'connector' });
    if (config === undefined) throw new Error('the configuration is wrong');
    return verifyFeed(config, lineOf).map(
      ({ line, severity, message, code }) => `${line} ${severity}: ${message.replaceAll(folder.path, '')} ${code}`,
    );
  }

  const OPEN = (line: number, mode: string): string =>
    `${line} warning: /state keeps the state of the feed and has the mode ${mode}, which lets others in: chmod 700 /state ICAPGW_CONFIG_UNSAFE`;
  const native = 'feeds:\n  state-dir: state\n  smc: { endpoint: https://smc, api-key-file: key }\n';

  test.each([
    [0o755, '0755'],
    [0o710, '0710'],
    [0o1777, '1777'],
  ])('is warned about where others come to it: %o', (mode, shown) => {
    expect(checkFolder(native, mode)).toEqual([OPEN(2, shown)]);
    expect(checkFolder(`${FLAT}state_dir: state\n`, mode)).toEqual([OPEN(4, shown)]);
    expect(checkFolder(FLAT, mode, 'environment')).toEqual([expect.stringContaining('chmod 700 /state')]);
  });

  test.each([0o700, 0o500])('is right where nobody else does: %o', (mode) => {
    expect(checkFolder(native, mode)).toEqual([]);
    expect(checkFolder(FLAT, mode, 'environment')).toEqual([]);
  });

  test('is the one of the configuration where no other is named, which others may read and not write', () => {
    using folder = createClosedFolder({ 'config.yaml': FLAT, token: 't', key: 'k' });
    const { config, lineOf } = loadConfig('config.yaml', folder.path, { role: 'connector' });
    if (config === undefined) throw new Error('the configuration is wrong');
    chmodSync(folder.path, 0o775);
    expect(verifyFeed(config, lineOf)).toEqual([]);
    chmodSync(folder.path, 0o777);
    expect(verifyFeed(config, lineOf)).toMatchObject([
      { severity: 'warning', message: expect.stringContaining(`chmod o-w ${folder.path}, or set feeds.state-dir`) },
    ]);
  });

  test('need not be there', () => {
    expect(check({ 'config.yaml': `${FLAT}state_dir: nowhere\n`, token: 't', key: 'k' })).toEqual([]);
  });
});

test('certificates that cannot be used are said', () => {
  const text =
    'feeds:\n  guardduty:\n    token: t\n    tls: { cert: cert.pem }\n  smc:\n    endpoint: https://smc\n    api-key: k\n    ca: ca.pem\n';
  expect(check({ 'config.yaml': text, 'cert.pem': 'x' })).toEqual([
    expect.stringMatching(/^4 error: .*\/cert\.pem.*ICAPGW_TLS_MATERIAL$/),
    expect.stringMatching(/^8 error: .*\/ca\.pem.*ICAPGW_TLS_MATERIAL$/),
  ]);
});

test('certificates that the other side may refuse, and a key that every account can read, are warned about', () => {
  const { expiredServer, expiredClient } = certificates();
  const files = {
    'cert.pem': readFileSync(expiredServer.cert, 'utf8'),
    'key.pem': readFileSync(expiredServer.key, 'utf8'),
    'ca.pem': readFileSync(expiredClient.cert, 'utf8'),
    'config.yaml': [
      'feeds:',
      '  guardduty:',
      '    token: t',
      '    tls: { cert: cert.pem, key: key.pem }',
      '  smc: { endpoint: https://smc, api-key: k, ca: ca.pem }',
    ].join('\n'),
  };
  expect(check(files, 0o644, 'key.pem')).toEqual([
    '4 warning: /key.pem: holds a private key and every account can read it: chmod 600 ICAPGW_TLS_MATERIAL',
    expect.stringMatching(/^4 warning: \/cert\.pem: the certificate of .* expired on .* ICAPGW_TLS_MATERIAL$/),
    expect.stringMatching(/^5 warning: \/ca\.pem: the certificate of .* expired on .* ICAPGW_TLS_MATERIAL$/),
  ]);
});

describe('a broker', () => {
  const problems = (url: string): string[] =>
    check({ 'config.yaml': `feeds: { queue: { type: rabbitmq, url-file: url } }\n`, url }).map((problem) =>
      problem.replace(/^\d+ /, ''),
    );

  test.each(['amqp://u:s3cret@broker.example/v', 'amqp://192.0.2.7'])(
    'at %s is spoken to in clear, which is warned about',
    (url) => {
      expect(problems(url)).toEqual([
        'warning: feeds.queue.url: amqp: whoever is on the way to the broker can read its password and have any address blocked; use amqps:// ICAPGW_CONFIG_UNSAFE',
      ]);
    },
  );

  test.each(['amqps://u:s3cret@broker.example/v', 'amqp://127.0.0.1', 'amqp://[::1]:5673', 'amqp://localhost/v'])(
    'at %s is not',
    (url) => {
      expect(problems(url)).toEqual([]);
    },
  );
});
