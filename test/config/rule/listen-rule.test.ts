import { describe, expect, test } from 'vitest';
import { readConfig } from '../../_util/config-text.ts';

// Services on lines 2, 3, ... each on one line.
function services(...listens: readonly string[]): string {
  const items = listens.map(
    (listen, index) =>
      `  - { name: s${index}, listen: ${listen}, protocol: tunnel, tls: off, backends: [{ address: "dlp:1344" }] }`,
  );
  return ['services:', ...items, ''].join('\n');
}

describe('two listeners', () => {
  test.each([
    ['"10.0.0.1:1"', '"10.0.0.1:1"'],
    ['":1"', '"0.0.0.0:1"'],
    ['"[::]:1"', '"0.0.0.0:1"'],
    ['"0.0.0.0:1"', '":1"'],
    ['"unix:/x"', '"unix:/x"'],
    ['"DLP:1"', '"dlp:1"'],
  ])('%s and %s cannot both be used', (first, second) => {
    expect(readConfig(services(first, second)).problems).toEqual([
      expect.stringMatching(/^3 error: services\[1\]\.listen: .* is already used by service "s0" in line 2$/),
    ]);
  });

  test.each([
    ['"10.0.0.1:1"', '"10.0.0.2:1"'],
    ['"10.0.0.1:1"', '"10.0.0.1:2"'],
    ['"10.0.0.1:0"', '"10.0.0.1:0"'],
    ['":0"', '"10.0.0.1:0"'],
    ['"[::1]:1"', '"0.0.0.0:1"'],
    ['"unix:/x"', '"unix:/y"'],
  ])('%s and %s do not meet', (first, second) => {
    expect(readConfig(services(first, second)).problems).toEqual([]);
  });

  test('an IPv4 and an IPv6 wildcard go together where the latter keeps to IPv6', () => {
    const text = services('["0.0.0.0:1", "[::]:1"]');
    expect(readConfig(text).problems).toEqual([
      expect.stringContaining('error: services[0].listen[1]: [::]:1 is already used by service "s0" in line 2'),
    ]);
    expect(readConfig(text.replace('tls: off', 'tls: off, sockets: { ipv6-only: true }')).problems).toEqual([]);
  });

  test.each([
    ['"0.0.0.0:1"', '"10.0.0.1:1"', 3],
    ['"10.0.0.1:1"', '":1"', 2],
    ['"[::]:1"', '"[::1]:1"', 3],
  ])('%s and %s both work, which may not be what was meant', (first, second, line) => {
    expect(readConfig(services(first, second)).problems).toEqual([
      expect.stringMatching(new RegExp(`^${line} warning: services\\[\\d\\]\\.listen: .* is also covered by `)),
    ]);
  });
});

describe('the names of services', () => {
  test('are theirs alone', () => {
    expect(readConfig(services('"a:1"', '"a:2"').replace('s1', 's0')).problems).toEqual([
      '3 error: services[1].name: "s0" is already the name of the service in line 2',
    ]);
  });

  test('may hold blanks inside, and nothing that a terminal acts on', () => {
    const named = (name: string) => readConfig(services('"a:1"').replace('s0', name)).problems;
    expect(named('microsoft-Cloud App Security')).toEqual([]);
    expect(named('" a"')).toHaveLength(1);
    expect(named('"a\\e[31m"')).toEqual([
      '2 error: services[0].name: must be a name of at most 128 characters, not "a\\u{1b}[31m"',
    ]);
    expect(named('7')).toEqual([expect.stringContaining('put it in quotes: "7"')]);
    expect(named('x'.repeat(129))).toHaveLength(1);
  });
});

describe('the admin endpoint', () => {
  const admin = (text: string) => readConfig(`${services('"10.0.0.1:9344"')}admin: ${text}\n`).problems;

  test.each(['"127.0.0.1:1"', '"127.8.8.8:1"', '"[::1]:1"', '"localhost:1"', '"unix:/x"', 'off'])(
    'on %s needs no token',
    (listen) => {
      expect(admin(`{ listen: ${listen} }`)).toEqual([]);
    },
  );

  test.each(['"0.0.0.0:1"', '":1"', '"[::]:1"', '"10.0.0.1:1"', '"gateway.example:1"'])('on %s needs one', (listen) => {
    expect(admin(`{ listen: ${listen} }`)).toEqual([
      expect.stringMatching(/^3 error: admin\.listen: .* can be reached from elsewhere; add token-file/),
    ]);
    expect(admin(`{ listen: ${listen}, token-file: t }`)).toEqual([]);
  });

  test('has a default that is known as one', () => {
    const { config } = readConfig(services('"127.0.0.1:9344"'));
    expect(config?.admin).toEqual({
      listen: { kind: 'tcp', host: '127.0.0.1', port: 9344 },
      explicit: false,
      tokenFile: undefined,
    });
  });

  test('cannot share the address of a service when it is asked for', () => {
    expect(admin('{ listen: "10.0.0.1:9344", token-file: t }')).toEqual([
      '3 error: admin.listen: 10.0.0.1:9344 is already used by service "s0" in line 2',
    ]);
  });
});
