import { describe, expect, test } from 'vitest';
import { problemsOf, readConfig, serviceOf, serviceText } from '../../_util/config-text.ts';

describe('the protocol', () => {
  test('is icap where nothing is said', () => {
    const { config, problems } = readConfig(serviceText().replace('    protocol: tunnel\n', ''));
    expect(problems).toEqual([]);
    expect(config?.services[0]?.protocol).toBe('icap');
  });

  test.each([
    ['limits: { header: 1KiB }', 'limits.header'],
    ['limits: { body: 1MiB }', 'limits.body'],
    ['timeouts: { request-header: 1s }', 'timeouts.request-header'],
    ['timeouts: { body-idle: 1s }', 'timeouts.body-idle'],
    ['timeouts: { response: 1s }', 'timeouts.response'],
    ['timeouts: { total: 1m }', 'timeouts.total'],
    ['retry: never', 'retry'],
    ['retain: 0', 'retain'],
    ['when-down: bypass', 'when-down'],
    ['on-timeout: block', 'on-timeout'],
    ['on-oversize: reset', 'on-oversize'],
    ['block-page: page.html', 'block-page'],
    ['routes: [{ backends: ["10.0.0.5:1344"] }]', 'routes'],
    ['bypass: { extensions: [iso] }', 'bypass'],
    ['headers: { client-ip: set }', 'headers'],
    ['istag: passthrough', 'istag'],
    ['monitor-replies: false', 'monitor-replies'],
  ])('a tunnel that is told %s is told that this is in vain', (extra, key) => {
    expect(problemsOf({ extra })).toEqual([`8 warning: services[0].${key}: has no effect with protocol tunnel`]);
  });

  test('a tunnel sees no headers to balance by', () => {
    expect(problemsOf({ extra: 'balance: header-hash:X-Client-IP' })).toEqual([
      '8 error: services[0].balance: header-hash needs protocol icap: a tunnel does not see headers; use source-hash',
    ]);
  });

  test('headers to balance by are seen in icap mode', () => {
    expect(serviceOf({ protocol: 'icap', extra: 'balance: header-hash:X-Client-IP' }).balance).toEqual({
      policy: 'header-hash',
      header: 'X-Client-IP',
    });
  });

  test.each(['round-robin', 'least-connections', 'random-two', 'source-hash'])('balance %s is fine', (policy) => {
    expect(problemsOf({ extra: `balance: ${policy}` })).toEqual([]);
  });

  test.each([
    ['leastconn', 'did you mean least-connections?'],
    ['header-hash', 'or header-hash:NAME'],
    ['header-hash:a b', 'or header-hash:NAME'],
  ])('balance %s is refused', (policy, advice) => {
    expect(problemsOf({ extra: `balance: "${policy}"` })).toEqual([expect.stringContaining(advice)]);
  });
});

describe('a service on a unix socket', () => {
  const problemsOn = (listen: string, extra: string): readonly string[] =>
    readConfig(serviceText({ extra }).replace('listen: 127.0.0.1:11344', `listen: ${listen}`)).problems;

  test.each([
    ['allow-from: 10.0.0.0/8', 'allow-from'],
    ['deny-from: 10.0.0.0/8', 'deny-from'],
    ['limits: { connections-per-source: 5 }', 'limits.connections-per-source'],
    ['limits: { handshakes-per-source: 5/s }', 'limits.handshakes-per-source'],
    ['proxy-protocol: { accept: v2, from: 10.0.0.0/8 }', 'proxy-protocol.from'],
  ])('is told that its clients have no address: %s', (extra, key) => {
    const warning = `8 warning: services[0].${key}: has no effect on unix:/run/dlp.sock: a client there has no address, the permissions of the file (0660) decide`;
    expect(problemsOn('unix:/run/dlp.sock', extra)).toEqual([warning]);
    expect(problemsOn('["127.0.0.1:1", "unix:/run/dlp.sock"]', extra)).toEqual([warning]);
    expect(problemsOn('127.0.0.1:1', extra)).toEqual([]);
  });

  test('is told nothing about limits that are off', () => {
    expect(problemsOn('unix:/run/dlp.sock', 'limits: { connections-per-source: 0 }')).toEqual([]);
  });
});

describe('the PROXY protocol', () => {
  test.each(['v1', 'v2'])('accepting %s needs to know from whom', (version) => {
    expect(problemsOf({ extra: `proxy-protocol: { accept: ${version} }` })).toEqual([
      expect.stringContaining('8 error: services[0].proxy-protocol.from: is missing: say who may send PROXY headers'),
    ]);
    expect(problemsOf({ extra: `proxy-protocol: { accept: ${version}, from: [10.0.0.0/8] }` })).toEqual([]);
  });

  test('sending needs nothing', () => {
    expect(problemsOf({ extra: 'proxy-protocol: { send: v2 }' })).toEqual([]);
  });

  test('a refused network is not called missing', () => {
    expect(problemsOf({ extra: 'proxy-protocol: { accept: v1, from: [ten] }' })).toHaveLength(1);
  });
});

describe('backends', () => {
  test('two with the same address need names', () => {
    expect(problemsOf({ backend: 'name: 10.0.0.6:1344', extra: '  - address: 10.0.0.6:1344' })).toEqual([
      '9 error: services[0].backends[1]: the name "10.0.0.6:1344" is taken by the backend in line 7; give one of them another name',
    ]);
    expect(problemsOf({ extra: '  - { address: 10.0.0.5:1344, name: b }' })).toEqual([]);
  });

  test('one weight may be 0, not all', () => {
    expect(problemsOf({ backend: 'weight: 0', extra: '  - address: 10.0.0.6:1344' })).toEqual([]);
    expect(problemsOf({ backend: 'weight: 0' })).toEqual([expect.stringContaining('all weights are 0')]);
  });

  test('a weight has a limit', () => {
    expect(problemsOf({ backend: 'weight: 256' })).toEqual([]);
    expect(problemsOf({ backend: 'weight: 257' })).toEqual([
      '8 error: services[0].backends[0].weight: must be a whole number from 0 to 256, not 257',
    ]);
    expect(problemsOf({ backend: 'weight: "1"' })).toEqual([expect.stringContaining('leave out the quotes')]);
    expect(problemsOf({ backend: 'weight: 1.5' })).toHaveLength(1);
    expect(problemsOf({ backend: 'weight: .nan' })).toHaveLength(1);
  });

  test('there may be 256 of them', () => {
    const list = (count: number) =>
      Array.from({ length: count }, (_, index) => `  - address: dlp-${index}:1344`).join('\n');
    expect(problemsOf({ extra: list(255) })).toEqual([]);
    expect(problemsOf({ extra: list(256) })).toEqual([
      '6 error: services[0].backends: must have at most 256 items, not 257',
    ]);
  });
});

describe('health', () => {
  test('a deep probe has to know where documents go', () => {
    const missing =
      '8 error: services[0].health.deep: does not know which service to send a document to; add path, such as /reqmod';
    expect(problemsOf({ extra: 'health: { deep: on }' })).toEqual([missing]);
    expect(problemsOf({ extra: 'health: { deep: on, path: /reqmod }' })).toEqual([]);
    const deep = (routes: string) =>
      problemsOf({ protocol: 'icap', extra: `health: { deep: on }\nroutes: [${routes}]` });
    expect(deep('{ path: /reqmod }')).toEqual([]);
    expect(deep('{ rewrite-path: /reqmod }')).toEqual([]);
    expect(deep('{ methods: REQMOD }')).toEqual([missing]);
  });

  test('a deep probe speaks ICAP', () => {
    expect(problemsOf({ extra: 'health: { deep: on, type: tcp }' })).toEqual([
      '8 error: services[0].health.deep: sends documents, which only type icap can; type is tcp',
    ]);
  });

  test('a path means something to ICAP probes only', () => {
    expect(problemsOf({ extra: 'health: { path: /avscan }' })).toEqual([]);
    expect(problemsOf({ extra: 'health: { type: tcp, path: /avscan }' })).toEqual([
      expect.stringContaining('warning: services[0].health.path: has no effect with type tcp'),
    ]);
  });

  test('TLS probes need TLS backends', () => {
    expect(problemsOf({ extra: 'health: { type: tls }' })).toEqual([
      expect.stringContaining(
        '8 error: services[0].health.type: tls needs tls at every backend, and "10.0.0.5:1344" has none',
      ),
    ]);
    expect(problemsOf({ backend: 'tls: {}', extra: 'health: { type: tls }' })).toEqual([]);
  });
});

describe('timeouts', () => {
  test.each(['handshake', 'connect', 'idle'])('a zero for %s is doubted, since it means at once here', (name) => {
    expect(problemsOf({ extra: `timeouts: { ${name}: 0s }` })).toEqual([
      `8 warning: services[0].timeouts.${name}: 0s gives up at once; write never to wait without limit`,
    ]);
    expect(problemsOf({ extra: `timeouts: { ${name}: never }` })).toEqual([]);
  });

  test.each(['request-header', 'body-idle', 'response', 'total'])('so is one for %s in icap mode', (name) => {
    expect(problemsOf({ protocol: 'icap', extra: `timeouts: { ${name}: 0s }` })).toContain(
      `8 warning: services[0].timeouts.${name}: 0s gives up at once; write never to wait without limit`,
    );
  });

  test('a zero for close is a way to run stunnel and not doubted', () => {
    expect(problemsOf({ extra: 'timeouts: { close: 0s }' })).toEqual([]);
  });
});
