import { describe, expect, test } from 'vitest';
import { readConfig } from '../../_util/config-text.ts';

interface Named {
  readonly name: string;
  /** Lines of YAML instead of those of a service that is reached by name. */
  readonly where?: string;
  readonly tls?: string;
  readonly more?: string;
}

const TLS = '{ cert: a.pem, client-auth: { mode: none } }';

/** Six lines each, and one more with `more`: name, where, protocol, tls, backends, address. */
function serviceLines({ name, where = 'listen: 127.0.0.1:11344', tls = TLS, more }: Named): string[] {
  return [
    `  - name: ${name}`,
    `    ${where}`,
    '    protocol: tunnel',
    `    tls: ${tls}`,
    '    backends:',
    '      - address: 10.0.0.5:1344',
    ...(more === undefined ? [] : [`    ${more}`]),
  ];
}

function problemsOf(...services: readonly Named[]): readonly string[] {
  return readConfig(['services:', ...services.flatMap(serviceLines), ''].join('\n')).problems;
}

const MAIN: Named = { name: 'main' };

test('a service can be reached by names, without a listener', () => {
  const text = ['services:', ...[MAIN, named('a', '[a.example, "*.A.example", "*"]')].flatMap(serviceLines), ''].join(
    '\n',
  );
  const { config, problems } = readConfig(text);
  expect(problems).toEqual([]);
  expect(config?.services[1]).toMatchObject({
    listen: [],
    sni: { of: 'main', names: ['a.example', '*.A.example', '*'] },
  });
});

function named(name: string, names: string, of = 'main'): Named {
  return { name, where: `sni: { of: ${of}, names: ${names} }` };
}

test('without a listener and without names a service is nowhere', () => {
  expect(problemsOf(MAIN, { name: 'a', where: 'slow-start: 0s' })).toContainEqual(
    expect.stringMatching(/listen: is missing; say where clients connect/),
  );
});

describe('the service that listens', () => {
  test('must exist', () => {
    expect(problemsOf(MAIN, named('a', 'a.example', 'maim'))).toEqual([
      '9 error: services[1].sni.of: there is no service named "maim"; did you mean main?',
    ]);
  });

  test('must have TLS', () => {
    expect(problemsOf({ ...MAIN, tls: 'off' }, named('a', 'a.example'))).toEqual([
      '9 error: services[1].sni.of: "main" has tls: off, so that its clients name no server; name one that has tls',
    ]);
  });

  test('must listen itself', () => {
    expect(problemsOf(MAIN, named('a', 'a.example'), named('b', 'b.example', 'a'))).toEqual([
      '15 error: services[2].sni.of: "a" in line 8 does not listen itself; name one that has listen',
    ]);
    expect(problemsOf(MAIN, named('a', 'a.example', 'a'))).toEqual([
      '9 error: services[1].sni.of: this service does not listen itself; name one that has listen',
    ]);
  });
});

describe('a service that is reached by names', () => {
  test('does not listen', () => {
    expect(problemsOf(MAIN, { ...named('a', 'a.example'), more: 'listen: 127.0.0.1:11345' })).toEqual([
      '14 error: services[1].listen: does not go with sni: clients come in where "main" listens; remove one of the two',
    ]);
  });

  test('has TLS', () => {
    expect(problemsOf(MAIN, { ...named('a', 'a.example'), tls: 'off' })).toEqual([
      '11 error: services[1].tls: off does not go with sni: the name of a server is part of a TLS handshake; add a cert',
    ]);
  });

  test.each(['proxy-protocol: { accept: v1, from: [10.0.0.0/8] }', 'sockets: { client-no-delay: false }'])(
    'does not decide what is decided before it is named: %s',
    (more) => {
      const problems = problemsOf(MAIN, { ...named('a', 'a.example'), more });
      expect(problems).toContainEqual(
        expect.stringMatching(/^14 warning: .* has no effect with sni: what "main" says counts/),
      );
      expect(problems.filter((problem) => problem.includes('error'))).toEqual([]);
    },
  );
});

describe('names', () => {
  test.each(['dlp.*.example', '"**"', '""', '"a b"', 'a/b', '"*a*"'])('%s are none', (name) => {
    expect(problemsOf(MAIN, named('a', `[${name}]`))).toEqual([
      expect.stringMatching(/^9 error: services\[1\]\.sni\.names.*: must be the name of a server/),
    ]);
  });

  test('belong to one service only, whatever their case', () => {
    expect(problemsOf(MAIN, named('a', 'a.example'), named('b', '[b.example, A.Example]'))).toEqual([
      '15 error: services[2].sni.names[1]: "A.Example" is already taken in line 9',
    ]);
  });

  test('that an earlier one covers are never used', () => {
    expect(problemsOf(MAIN, named('a', '"*.example"'), named('b', 'b.example'))).toEqual([
      '15 warning: services[2].sni.names: "b.example" is never used: "*.example" in line 9 comes first and fits it too',
    ]);
  });

  test('may be the same behind different listeners', () => {
    const other: Named = { name: 'other', where: 'listen: 127.0.0.1:11345' };
    expect(problemsOf(MAIN, other, named('a', 'x.example'), named('b', 'x.example', 'other'))).toEqual([]);
  });
});
