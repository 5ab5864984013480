import { describe, expect, test } from 'vitest';
import type { RawDocument } from '../../src/config/raw.ts';
import { validate } from '../../src/config/validate.ts';
import { problemsOf, readConfig, serviceText } from '../_util/config-text.ts';

function stunnelDocument(value: unknown): RawDocument {
  return { file: 'stunnel.conf', format: 'stunnel', value, lineOf: () => 7 };
}

const MINIMAL = {
  services: [{ name: 'dlp', listen: ':1', protocol: 'tunnel', tls: 'off', backends: [{ address: 'dlp:1' }] }],
};

describe('a document with many mistakes', () => {
  const text = `
log: { level: loud, acces: off }
admin:
  listen: 0.0.0.0:9344
workers: many
services:
  - name: mcas
    listen: 11344
    tls:
      cert: a.pem
      min-version: TLS1.2
      certs: x
      client-auth: { mode: require }
    timeouts: { idle: 5 }
    healt: {}
    backends:
      - address: 10.0.0.5
      - address: 10.0.0.6:1344
        wieght: 3
feeds: {}
block-list: { files: a }
`;

  test('is told all of them at once, in the order of its lines', () => {
    expect(readConfig(text).problems).toEqual([
      '2 error: log.acces: is not a known key; did you mean access?',
      '2 error: log.level: must be debug, info, notice, warning or error, not "loud"',
      '4 error: admin.listen: 0.0.0.0:9344 can be reached from elsewhere; add token-file, or listen on 127.0.0.1',
      '5 error: workers: must be auto or a whole number from 1 to 256, not "many"',
      expect.stringMatching(/^8 error: services\[0\]\.listen: the host is missing/),
      '11 error: services[0].tls.min-version: must be TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3, not "TLS1.2"; did you mean TLSv1.2?',
      '12 error: services[0].tls.certs: is not a known key; did you mean cert?',
      expect.stringMatching(/^13 error: services\[0\]\.tls\.client-auth\.ca: is missing/),
      expect.stringMatching(/^14 error: services\[0\]\.timeouts\.idle: must be a duration/),
      '15 error: services[0].healt: is not a known key; did you mean health?',
      '17 error: services[0].backends[0].address: the port is missing: write 10.0.0.5:1344',
      '19 error: services[0].backends[1].wieght: is not a known key; did you mean weight?',
      '20 warning: feeds.guardduty: is missing: nothing ever comes in; add it, or a queue of type rabbitmq',
      '21 error: block-list.files: is not a known key; did you mean file?',
    ]);
  });

  test('gives no configuration', () => {
    expect(readConfig(text).config).toBeUndefined();
  });

  test('is told a bounded number of them', () => {
    const keys = Array.from({ length: 2_000 }, (_, index) => `k${index}: 1`).join('\n');
    const { problems } = readConfig(`${serviceText()}${keys}\n`);
    expect(problems).toHaveLength(500);
    expect(problems).toContain('1 error: more than 499 errors; correct these first');
  });

  test('is refused even when warnings fill the list before the error', () => {
    const services = Array.from(
      { length: 200 },
      (_, index) =>
        `  - { name: s${index}, listen: ":${index + 1}", protocol: tunnel, tls: off, retain: 0, retry: never, istag: aggregate, when-down: block, backends: [{ address: "a:1", weight: ${index === 199 ? 999 : 1} }] }`,
    );
    const { config, problems } = readConfig(`services:\n${services.join('\n')}\n`);
    expect(config).toBeUndefined();
    expect(problems).toHaveLength(501);
    expect(problems.at(-1)).toContain('201 error: services[199].backends[0].weight');
  });
});

describe('a document that is not a configuration', () => {
  test.each([
    ['just words', '1 error: must be a mapping of keys and values, not "just words"'],
    ['[1]', '1 error: must be a mapping of keys and values, not a list'],
    ['{}', '1 error: services: is missing; list at least one service'],
    ['services: []', '1 error: services: must not be an empty list'],
    ['services: 5', '1 error: services: must be a list, each item behind "- ", not 5'],
    ['services: {}', '1 error: services: must be a list, each item behind "- ", not a mapping'],
    ['services: [{}]', '1 error: services[0].name: is missing; logs and metrics call the service by it'],
  ])('%j is told why', (text, expected) => {
    expect(readConfig(text).problems).toContain(expected);
  });

  test('is told about the right service and backend when others are nonsense', () => {
    const text = `services:
  - 5
  - name: dlp
    listen: 127.0.0.1:1
    protocol: icap
    tls: off
    backends:
      - nonsense
      - address: 10.0.0.5:1344
        tls: { verify: false }
`;
    expect(readConfig(text).problems).toEqual([
      '2 error: services[0]: must be a mapping of keys and values, not 5',
      '8 error: services[1].backends[0]: must be a mapping of keys and values, not "nonsense"',
      expect.stringMatching(/^10 warning: services\[1\]\.backends\[1\]\.tls\.verify: false/),
    ]);
  });

  test('may have 256 services', () => {
    const services = (count: number) =>
      Array.from(
        { length: count },
        (_, index) =>
          `  - { name: s${index}, listen: ":0", protocol: tunnel, tls: off, backends: [{ address: "a:1" }] }`,
      );
    expect(readConfig(`services:\n${services(256).join('\n')}\n`).problems).toEqual([]);
    expect(readConfig(`services:\n${services(257).join('\n')}\n`).problems).toEqual([
      '1 error: services: must have at most 256 items, not 257',
    ]);
  });
});

describe('keys', () => {
  test('that belong one level deeper are sent there', () => {
    expect(problemsOf({ extra: 'cert: a.pem' })).toEqual([
      '8 error: services[0].cert: is not a known key; it belongs below tls',
    ]);
    expect(problemsOf({ extra: 'interval: 5s' })).toEqual([
      '8 error: services[0].interval: is not a known key; it belongs below health',
    ]);
  });

  test('that resemble nothing get no guess', () => {
    expect(problemsOf({ extra: 'quux: 1' })).toEqual(['8 error: services[0].quux: is not a known key']);
  });

  test('with control characters are shown without them', () => {
    expect(problemsOf({ extra: '"\\e[31m": 1' })).toEqual(['8 error: services[0]."\\u{1b}[31m": is not a known key']);
  });

  test('without a value have their default', () => {
    const { config, problems } = readConfig(
      `${serviceText({ extra: 'limits:\ntimeouts:\n  idle:' })}admin:\n  token-file:\n`,
    );
    expect(problems).toEqual([]);
    expect(config?.services[0]?.timeouts.idleMs).toBe(43_200_000);
  });

  test.each(['limits: 5', 'limits: [1]', 'limits: off'])('%s is not a mapping', (extra) => {
    expect(problemsOf({ extra })).toEqual([
      expect.stringContaining('8 error: services[0].limits: must be a mapping of keys and values, not'),
    ]);
  });

  test('of a switch take true and false', () => {
    expect(problemsOf({ extra: 'sockets: { reset: false }' })).toEqual([]);
    expect(problemsOf({ extra: 'sockets: { reset: no }' })).toEqual([
      '8 error: services[0].sockets.reset: must be true or false, not "no"; write false',
    ]);
  });

  test('of headers are header names', () => {
    expect(problemsOf({ extra: 'headers: { set: { "a b": c }, map: { X-A: "b:" } }' })).toEqual([
      expect.stringContaining('8 error: services[0].headers.set."a b": must be a header name'),
      expect.stringContaining('8 error: services[0].headers.map.X-A: must be a header name'),
      expect.stringContaining('8 warning: services[0].headers: has no effect'),
    ]);
    expect(problemsOf({ extra: 'headers: { set: [] }' })).toContainEqual(expect.stringContaining('must be a mapping'));
  });

  test('of sockets are checked', () => {
    expect(problemsOf({ extra: 'sockets: { keep-alive: off, local-address: 10.0.0.1 }' })).toEqual([]);
    expect(problemsOf({ extra: 'sockets: { local-address: 10.0.0 }' })).toEqual([
      expect.stringContaining('or a name of this machine, not "10.0.0"'),
    ]);
  });
});

describe('files', () => {
  const withLog = (file: string) => readConfig(`${serviceText()}log: { file: ${file} }\n`);

  test('are looked for beside a YAML document', () => {
    expect(withLog('a/b.log').config?.log.file).toBe('/etc/icapgw/a/b.log');
    expect(withLog('/var/log/x.log').config?.log.file).toBe('/var/log/x.log');
    expect(withLog('../x.log').config?.log.file).toBe('/etc/x.log');
  });

  test('are looked for in the working directory for a stunnel document, as stunnel does', () => {
    const { config } = validate(stunnelDocument({ ...MINIMAL, 'pid-file': 'a.pid' }), { cores: 1, cwd: '/run' });
    expect(config).toMatchObject({ pidFile: '/run/a.pid', file: '/run/stunnel.conf', format: 'stunnel' });
  });

  test.each(["'C:\\stunnel\\key.pem'", 'C:/stunnel/key.pem', "'\\\\server\\share\\key.pem'"])(
    'a Windows path stays as it is: %s',
    (text) => {
      expect(withLog(text).config?.log.file).toBe(text.replaceAll("'", ''));
    },
  );

  test('the words that stand for streams are no files', () => {
    expect(withLog('"-"').config?.log.file).toBe('-');
    expect(readConfig(`${serviceText()}log: { access: off }\n`).config?.log.access).toBe('off');
  });

  test('must be named', () => {
    expect(withLog('""').problems).toEqual(['8 error: log.file: must be a file name, or "-" in quotes, not ""']);
    expect(withLog('7').problems).toHaveLength(1);
    expect(withLog('[]').problems).toEqual([expect.stringContaining('not an empty list')]);
    expect(withLog('"C:\\Program Files"').problems).toEqual([
      expect.stringContaining(
        'holds a control character: "C:\\u{2029}rogram Files"; put a Windows path in single quotes',
      ),
    ]);
  });
});

describe('a stunnel document', () => {
  test('is told problems by section', () => {
    const services = [{ ...MINIMAL.services[0], name: 'Cloud App', timeouts: { idle: '5' }, nope: 1 }];
    const { problems } = validate(stunnelDocument({ services, workers: 0 }), { cores: 1, cwd: '/' });
    expect(problems).toEqual(
      expect.arrayContaining([
        {
          severity: 'error',
          file: 'stunnel.conf',
          line: 7,
          message: expect.stringMatching(/^\[Cloud App\] timeouts\.idle: must be a duration/),
          code: 'ICAPGW_CONFIG_INVALID',
        },
        expect.objectContaining({ message: '[Cloud App] nope: is not a known key' }),
        expect.objectContaining({ message: expect.stringMatching(/^workers: must be/) }),
      ]),
    );
  });

  test('without a usable name is told problems by position', () => {
    const { problems } = validate(stunnelDocument({ services: [{}] }), { cores: 1, cwd: '/' });
    expect(problems[0]?.message).toMatch(/^services\[0\]\.name: is missing/);
  });

  test('is not told again what its reader tells: no client-auth, no verification', () => {
    const tls = { cert: 'a.pem' };
    const open = { services: [{ ...MINIMAL.services[0], tls }] };
    const unverified = { services: [{ ...MINIMAL.services[0], tls: { ...tls, 'client-auth': { verify: false } } }] };
    expect(validate(stunnelDocument(open), { cores: 1, cwd: '/' }).problems).toEqual([]);
    expect(validate(stunnelDocument(unverified), { cores: 1, cwd: '/' }).problems).toEqual([]);
  });
});

describe('a usable document', () => {
  test('has every default of the documentation', () => {
    const text = serviceText({ tls: '{ cert: cert.pem, client-auth: { ca: ca.pem } }' });
    expect(readConfig(text).config).toMatchSnapshot();
  });

  test('can be switched between ICAP defaults by one key', () => {
    const { config } = readConfig(serviceText({ extra: 'when-down: bypass\non-timeout: block' }));
    expect(config?.services[0]?.icap).toMatchObject({ whenDown: 'bypass', onTimeout: 'block', onOversize: 'bypass' });
  });

  test('is frozen all the way down', () => {
    const { config } = readConfig(serviceText());
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every((inner) => frozen(inner)));
    expect(config).toBeDefined();
    expect(frozen(config)).toBe(true);
  });

  test('takes the number of workers from the machine, or its own', () => {
    expect(readConfig(serviceText()).config?.workers).toBe(4);
    expect(readConfig(`${serviceText()}workers: 9\n`).config?.workers).toBe(9);
  });
});
