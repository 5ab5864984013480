import { describe, expect, test } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { type ConfigRole, validate } from '../../../src/config/validate.ts';
import { readYaml } from '../../../src/config/yaml.ts';

/** As the guide prints it, filled in. */
const GUIDE = `
# Connector config
host: 0.0.0.0
port: 5000
log_level: info

# SMC config
smc_endpoint: http://smc.example
smc_port: 8082
smc_api_key: abcdefgh1234567
smc_api_version: 6.7
blacklist_duration: 3600
exclude_engines:
  - NGFW 1
  - NGFW 2
`;

function read(text: string, role: ConfigRole = 'connector'): { config: Config | undefined; problems: string[] } {
  const { document } = readYaml(text, 'config.yaml');
  if (document === undefined) throw new Error('not YAML');
  const { config, problems } = validate(document, { cores: 1, cwd: '/etc/icapgw', role });
  return { config, problems: problems.map(({ line, severity, message }) => `${line} ${severity}: ${message}`) };
}

function readWith(lines: string): ReturnType<typeof read> {
  return read(`smc_endpoint: https://smc.example\nsmc_api_key: k\ntoken: t\n${lines}\n`);
}

test('the file of the guide is taken as it is', () => {
  const { config } = read(GUIDE);
  expect(config).toMatchObject({
    services: [],
    log: { level: 'info', file: '-' },
    feeds: {
      durationMs: 3_600_000,
      guardDuty: { host: '0.0.0.0', port: 5000 },
      smc: {
        endpoint: 'http://smc.example:8082',
        apiKey: { value: 'abcdefgh1234567' },
        apiVersion: '6.7',
        excludeEngines: ['NGFW 1', 'NGFW 2'],
      },
      queue: { type: 'embedded' },
    },
  });
});

test('everything but the SMC and its key has a default', () => {
  const { config, problems } = readWith('');
  expect(problems).toEqual([]);
  expect(config).toMatchObject({
    log: { level: 'info' },
    feeds: {
      durationMs: 3_600_000,
      guardDuty: { host: '0.0.0.0', port: 5000 },
      smc: { endpoint: 'https://smc.example:8082', apiVersion: '6.7', excludeEngines: [] },
    },
  });
});

test('check knows the file as well', () => {
  expect(read(GUIDE, 'any').config).toBeDefined();
});

test('the sample with its placeholders names each key that is not filled in, once', () => {
  const sample = GUIDE.replace('smc.example', '<SMC_ENDPOINT_IP_OR_DOMAIN>').replace(
    'abcdefgh1234567',
    '<SMC_API_KEY>',
  );
  const { config, problems } = read(sample);
  expect(config).toBeUndefined();
  expect(problems.filter((problem) => problem.includes('error'))).toEqual([
    expect.stringMatching(/^8 error: smc_endpoint: still has the placeholder <SMC_ENDPOINT_IP_OR_DOMAIN>/),
    expect.stringMatching(/^10 error: smc_api_key: still has the placeholder <SMC_API_KEY>/),
  ]);
});

test('keys beside those of the guide', () => {
  const { config, problems } = read(`
smc_endpoint: smc.example:9999
smc_port: 1
smc_ca: ca.pem
smc_api_key_file: /run/key
smc_api_version: 6.10
token_file: token
hmac_key_file: hmac
state_dir: state
log_file: feed.log
blockable: [10.0.0.0/8]
retry_first: 2
retry_most: 10s
`);
  expect(problems.filter((problem) => problem.includes('error'))).toEqual([]);
  expect(config).toMatchObject({
    log: { file: '/etc/icapgw/feed.log' },
    feeds: {
      blockable: ['10.0.0.0/8'],
      stateDir: '/etc/icapgw/state',
      guardDuty: { token: { file: '/etc/icapgw/token' }, hmacKey: { file: '/etc/icapgw/hmac' } },
      smc: {
        endpoint: 'http://smc.example:9999',
        ca: '/etc/icapgw/ca.pem',
        apiKey: { file: '/run/key' },
        apiVersion: '6.10',
        retry: { firstMs: 2000, mostMs: 10_000 },
      },
    },
  });
});

test.each([
  ['INFO', 'info'],
  ['WARNING', 'warning'],
  ['critical', 'error'],
])('the level %s is %s', (written, level) => {
  expect(readWith(`log_level: ${written}`).config?.log.level).toBe(level);
});

test.each(['', '~', '[]', '""'])('engines "%s" are none', (written) => {
  expect(readWith(`exclude_engines: ${written}`).config?.feeds?.smc?.excludeEngines).toEqual([]);
});

test('numbers may stand in quotes', () => {
  const { config } = readWith('port: "5001"\nblacklist_duration: "60"');
  expect(config?.feeds).toMatchObject({ durationMs: 60_000, guardDuty: { port: 5001 } });
});

describe('mistakes are named by the keys of the file', () => {
  test.each([
    ['smc_enpoint: x', '4 error: smc_enpoint: is not a known key; did you mean smc_endpoint?'],
    ['blacklist_duration: 0', '4 error: blacklist_duration: must be a whole number from 1'],
    ['token_file: t', '4 error: token_file: does not go with token'],
    ['smc_api_key_file: t', '4 error: smc_api_key_file: does not go with smc_api_key'],
    ['port: http', '4 error: port: must be a whole number'],
    ['retry_most: 500ms', '4 error: retry_most: must not be shorter than retry_first'],
  ])('%s', (line, problem) => {
    expect(readWith(line).problems.join('\n')).toContain(problem);
  });

  test('also where the key that tells the file from ours is the mistyped one', () => {
    expect(read('port: 5000\nsmc_endpiont: https://smc.example\nsmc_api_key: k\ntoken: t\n').problems).toEqual([
      '1 error: smc_endpoint: is missing; say where the SMC API is, such as https://192.0.2.10',
      '2 error: smc_endpiont: is not a known key; did you mean smc_endpoint?',
    ]);
  });

  test('a missing key', () => {
    expect(read('smc_endpoint: https://smc.example\ntoken: t\n').problems).toEqual([
      expect.stringMatching(/^1 error: smc_api_key: is missing/),
    ]);
  });
});

describe('a native file', () => {
  const native = 'feeds: { guardduty: { token: t } }\nlog: { level: debug }\n';

  test('needs no services for the connector', () => {
    expect(read(native).config).toMatchObject({ services: [], log: { level: 'debug' }, feeds: { smc: undefined } });
    expect(read(native, 'any').problems).toEqual([]);
    expect(read(native, 'gateway').problems).toEqual([
      '1 error: services: is missing; list at least one service, or run the feed alone with: icapgw connector -c config.yaml',
    ]);
  });

  test('needs feeds for the connector', () => {
    expect(read('log: { level: debug }\n').problems.join()).toContain('feeds: is missing');
  });
});
