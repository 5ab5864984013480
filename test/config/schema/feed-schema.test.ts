import { describe, expect, test } from 'vitest';
import type { FeedsConfig } from '../../../src/config/feed-config.ts';
import { readConfig, serviceText } from '../../_util/config-text.ts';

const SMC = 'smc: { endpoint: https://smc.example, api-key: k }';

function read(...lines: readonly string[]): { feeds: FeedsConfig | undefined; problems: readonly string[] } {
  const text = `${serviceText()}feeds:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
  const { config, problems } = readConfig(text);
  return { feeds: config?.feeds, problems };
}

function smcOf(keys: string): FeedsConfig['smc'] {
  const { feeds, problems } = read('guardduty: { token: t }', `smc: { api-key: k, ${keys} }`);
  if (feeds === undefined) throw new Error(problems.join('; '));
  return feeds.smc;
}

test('a configuration without feeds has none', () => {
  expect(readConfig(serviceText()).config?.feeds).toBeUndefined();
});

test('a listener and an SMC have every default', () => {
  expect(read('guardduty: { token: t }', SMC)).toMatchObject({
    problems: [],
    feeds: {
      durationMs: 3_600_000,
      enforce: ['peer', 'client-ip', 'target'],
      blockable: [],
      minSeverity: 0,
      maxEntries: 100_000,
      stateDir: undefined,
      guardDuty: {
        host: '0.0.0.0',
        port: 5000,
        token: { value: 't', file: undefined },
        tls: undefined,
        bodyLimitBytes: 1_048_576,
        ratePerSecond: 200,
        allowFrom: [],
      },
      smc: {
        endpoint: 'https://smc.example:8082',
        apiVersion: '6.7',
        domain: undefined,
        excludeEngines: [],
        timeoutMs: 30_000,
        lingerMs: 500,
        retry: { firstMs: 1000, mostMs: 60_000, authMs: 300_000 },
      },
      queue: { type: 'embedded', name: 'icapgw', relay: true },
    },
  });
});

test('a listener needs no more than its name', () => {
  expect(read('guardduty:').feeds?.guardDuty).toMatchObject({ port: 5000, host: '0.0.0.0' });
  expect(read(SMC).feeds?.guardDuty).toBeUndefined();
});

describe('the endpoint of the SMC', () => {
  test.each([
    ['smc.example', 'http://smc.example:8082'],
    ['https://smc.example/', 'https://smc.example:8082'],
    ['https://smc.example:443//', 'https://smc.example:443'],
    ['HTTPS://SMC.example', 'https://smc.example:8082'],
    ['192.0.2.7', 'http://192.0.2.7:8082'],
    ['192.0.2.7:80', 'http://192.0.2.7:80'],
    ['"https://[2001:db8::7]"', 'https://[2001:db8::7]:8082'],
  ])('%s is %s', (written, endpoint) => {
    expect(smcOf(`endpoint: ${written}`)?.endpoint).toBe(endpoint);
  });

  test('keeps a port of its own over the other key', () => {
    expect(smcOf('endpoint: https://smc.example:9, port: 10')?.endpoint).toBe('https://smc.example:9');
    expect(smcOf('endpoint: https://smc.example, port: 10')?.endpoint).toBe('https://smc.example:10');
  });

  test.each([
    'https://smc.example/6.7/api',
    'ftp://smc.example',
    'https://u:p@smc.example',
    'smc.example:99999',
    '1.2.3',
  ])('%s is refused', (written) => {
    expect(read(`smc: { api-key: k, endpoint: "${written}" }`).problems.join()).toContain(
      'feeds.smc.endpoint: must be the address of the SMC API',
    );
  });
});

describe('what YAML takes for something else', () => {
  test.each([
    ['6.10', '6.10'],
    ['7', '7'],
    ['"6.7"', '6.7'],
  ])('a version %s stays %s', (written, version) => {
    expect(smcOf(`endpoint: smc, api-version: ${written}`)?.apiVersion).toBe(version);
  });

  test.each(['00123456', '1e5', '0x1F', 'true', '6.10'])('a key %s is text', (written) => {
    const { feeds } = read('guardduty: { token: t }', `smc: { endpoint: smc, api-key: ${written} }`);
    expect(feeds?.smc?.apiKey.value).toBe(written);
  });

  test('the name of an engine is text, also behind an alias', () => {
    expect(smcOf('endpoint: smc, domain: &d "x", exclude-engines: [007, true, NGFW 1]')?.excludeEngines).toEqual([
      '007',
      'true',
      'NGFW 1',
    ]);
    const text = `${serviceText()}feeds: { guardduty: { token: &k 007 }, smc: { endpoint: smc, api-key: *k } }\n`;
    expect(readConfig(text).config?.feeds?.smc?.apiKey.value).toBe('007');
  });

  test('an empty list of engines is one without a value', () => {
    expect(smcOf('endpoint: smc, exclude-engines: ')?.excludeEngines).toEqual([]);
    expect(smcOf('endpoint: smc, exclude-engines: ""')?.excludeEngines).toEqual([]);
  });
});

describe('mistakes', () => {
  test.each([
    ['a secret twice', ['guardduty: { token: t, token-file: f }'], 'token-file: does not go with token'],
    ['no key for the SMC', ['guardduty: { token: t }', 'smc: { endpoint: smc }'], 'feeds.smc.api-key: is missing'],
    ['parts of seconds', ['duration: 1500ms'], 'feeds.duration: must be whole seconds'],
    ['less than a second', ['duration: 0s'], 'feeds.duration: must be a duration'],
    ['a broker without a queue for it', ['queue: { url: amqp://b }'], 'is for a queue of type rabbitmq'],
    ['an unknown place to enforce', ['enforce: [peers]'], 'did you mean peer?'],
    ['a network that is none', ['blockable: [10.0.0.0/33]'], 'feeds.blockable[0]: must be an address or a network'],
    ['a mistyped key', ['guarduty: {}'], 'did you mean guardduty?'],
    ['retries that shrink', [SMC.replace('}', ', retry: { first: 5s, most: 1s } }')], 'must not be shorter than first'],
    [
      'a placeholder',
      ['smc: { endpoint: smc, api-key: <SMC_API_KEY> }'],
      'feeds.smc.api-key: still has the placeholder',
    ],
  ])('%s', (_, lines, problem) => {
    expect(read(...lines).problems.join('\n')).toContain(problem);
  });

  test('no message repeats a secret', () => {
    const lines = ['guardduty: { token: "geheim niemand", hmac-key: [geheim] }', 'queue: { url: "http://u:geheim@b" }'];
    const { problems } = read(...lines);
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toContain('geheim');
  });

  test('a port that a service has', () => {
    expect(read('guardduty: { token: t, host: 127.0.0.1, port: 11344 }').problems.join()).toContain(
      'feeds.guardduty.port: 127.0.0.1:11344 is already used by service "dlp" in line 3',
    );
  });

  test('a whole configuration is not the connector’s', () => {
    const { config, problems } = readConfig('smc_endpoint: smc\n');
    expect(config).toBeUndefined();
    expect(problems).toEqual([expect.stringMatching(/^1 error: smc_endpoint: .*icapgw connector -c /)]);
  });
});

describe('warnings', () => {
  test('a listener that is open to anyone is said once', () => {
    expect(read('guardduty: {}').problems).toEqual([
      '9 warning: feeds.guardduty: whoever reaches port 5000 of 0.0.0.0 can have any address blocked; set token-file or hmac-key-file',
    ]);
  });

  test('an API key in clear is said, and not to this machine itself', () => {
    expect(read('guardduty: { token: t }', 'smc: { endpoint: smc, api-key: k }').problems.join()).toContain('in clear');
    expect(read('guardduty: { token: t }', 'smc: { endpoint: 127.0.0.1, api-key: k }').problems).toEqual([]);
  });
});

describe('block-list.allow', () => {
  test('takes networks', () => {
    const { config } = readConfig(`${serviceText()}block-list: { allow: [198.51.100.0/24, "2001:db8::1"] }\n`);
    expect(config?.blockList.allow).toEqual(['198.51.100.0/24', '2001:db8::1']);
  });

  test('takes nothing else', () => {
    expect(readConfig(`${serviceText()}block-list: { allow: smc.example }\n`).problems).toEqual([
      '8 error: block-list.allow: must be an address or a network such as 10.0.0.0/8 or 2001:db8::/32, not "smc.example"',
    ]);
  });
});
