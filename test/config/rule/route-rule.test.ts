import { describe, expect, test } from 'vitest';
import { problemsOf } from '../../_util/config-text.ts';

function withRoutes(routes: readonly string[], backend = ''): readonly string[] {
  const extra = [
    '  - { address: 10.0.0.6:1344, name: dlp-2 }',
    'routes:',
    ...routes.map((route) => `  - { ${route} }`),
  ].join('\n');
  return problemsOf({ protocol: 'icap', extra, backend });
}

const dead = (index: number, line: number, taker: number): string =>
  `${line} error: services[0].routes[${index}]: can never be used: the route in line ${taker} comes first and takes the same requests`;

describe('routes', () => {
  test('lead to backends of the service', () => {
    expect(withRoutes(['methods: REQMOD, path: /a, backends: ["10.0.0.5:1344", dlp-2]'])).toEqual([]);
    expect(withRoutes(['path: /a, backends: [dlp-3]'])).toEqual([
      '10 error: services[0].routes[0].backends: there is no backend named "dlp-3" in this service',
    ]);
  });

  test('lead to backends that get requests', () => {
    expect(withRoutes(['path: /a, backends: ["10.0.0.5:1344"]'], 'weight: 0')).toEqual([
      '11 error: services[0].routes[0].backends: all of them have weight 0, so that none would get a request',
    ]);
    expect(withRoutes(['path: /a, backends: ["10.0.0.5:1344", dlp-2]'], 'weight: 0')).toEqual([]);
  });

  test('take REQMOD and RESPMOD', () => {
    expect(withRoutes(['methods: [OPTIONS], path: /a'])).toEqual([
      '10 error: services[0].routes[0].methods[0]: must be REQMOD or RESPMOD, not "OPTIONS"',
    ]);
  });

  test.each([
    ['a', 'not "a"'],
    ['"/a b"', 'not "/a b"'],
    ['//a/./b', 'write /a/b'],
    ['/%61?x=1', 'write /a'],
    ['"/a#b"', 'write /a'],
  ])('know paths in the form that requests are compared in: %s', (path, advice) => {
    for (const key of ['path', 'rewrite-path']) {
      expect(withRoutes([`${key}: ${path}`])).toEqual([
        expect.stringMatching(
          new RegExp(
            `^10 error: services\\[0\\]\\.routes\\[0\\]\\.${key}: must be a path such as /reqmod, without a query, not `,
          ),
        ),
      ]);
      expect(withRoutes([`${key}: ${path}`])[0]).toContain(advice);
    }
  });

  test.each([
    { name: 'different paths', routes: ['path: /a', 'path: /b'] },
    { name: 'different methods', routes: ['methods: REQMOD, path: /a', 'methods: RESPMOD, path: /a'] },
    { name: 'what an earlier route leaves', routes: ['methods: REQMOD, path: /a', 'path: /a'] },
    { name: 'everything else', routes: ['path: /a', 'methods: REQMOD', 'methods: RESPMOD'] },
  ])('may take $name', ({ routes }) => {
    expect(withRoutes(routes)).toEqual([]);
  });

  test.each([
    { name: 'the same path', routes: ['path: /a', 'path: /a'], problem: dead(1, 11, 10) },
    { name: 'a part of it', routes: ['path: /a', 'methods: RESPMOD, path: /a'], problem: dead(1, 11, 10) },
    {
      name: 'a path after every path',
      routes: ['methods: REQMOD', 'path: /a, methods: REQMOD'],
      problem: dead(1, 11, 10),
    },
    {
      name: 'what two earlier ones share',
      routes: ['methods: RESPMOD, path: /a', 'methods: REQMOD, path: /a', 'path: /a'],
      problem: dead(2, 12, 11),
    },
  ])('cannot come too late: $name', ({ routes, problem }) => {
    expect(withRoutes(routes)).toEqual([problem]);
  });

  test('are not called late beside one that was refused', () => {
    expect(withRoutes(['path: a', 'path: /b'])).toHaveLength(1);
  });
});
