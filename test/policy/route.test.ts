import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ModMethod, RouteConfig } from '../../src/config/icap-config.ts';
import { createRouter, routePaths } from '../../src/policy/route.ts';

const NAMES = ['dlp-1', 'dlp-2', 'dlp-3'];

function route(given: Partial<RouteConfig>): RouteConfig {
  return { methods: [], path: undefined, backends: [], rewritePath: undefined, ...given };
}

describe('without routes', () => {
  test('every path goes to every backend as it is', () => {
    const find = createRouter([], NAMES);
    expect(find('REQMOD', '/any/path')).toEqual({ backends: undefined, path: '/any/path' });
    expect(routePaths([], NAMES)).toEqual([]);
  });
});

describe('a route', () => {
  const find = createRouter(
    [
      route({ methods: ['REQMOD'], path: '/reqmod', backends: ['dlp-1', 'dlp-3'] }),
      route({ methods: ['RESPMOD'], path: '/respmod', backends: ['dlp-2'], rewritePath: '/avscan' }),
      route({ path: '/both' }),
    ],
    NAMES,
  );

  test('leads to its backends, by their positions', () => {
    expect(find('REQMOD', '/reqmod')).toEqual({ backends: new Set([0, 2]), path: '/reqmod' });
  });

  test('may ask for another path', () => {
    expect(find('RESPMOD', '/respmod')).toEqual({ backends: new Set([1]), path: '/avscan' });
  });

  test('without methods and backends takes both and goes to all', () => {
    expect(find('REQMOD', '/both')).toEqual({ backends: undefined, path: '/both' });
    expect(find('RESPMOD', '/both')).toEqual({ backends: undefined, path: '/both' });
  });

  test('is about exactly its path', () => {
    for (const path of ['/', '/reqmod/', '/reqmo', '/REQMOD', '/avscan']) expect(find('REQMOD', path)).toBe('no-path');
  });

  test('may be about the path and not about the method', () => {
    expect(find('RESPMOD', '/reqmod')).toBe('no-method');
    expect(find('REQMOD', '/respmod')).toBe('no-method');
  });
});

describe('several routes', () => {
  test('are tried in their order', () => {
    const find = createRouter(
      [
        route({ methods: ['REQMOD'], path: '/a', backends: ['dlp-1'] }),
        route({ path: '/a', backends: ['dlp-2'] }),
        route({ backends: ['dlp-3'] }),
      ],
      NAMES,
    );
    expect(find('REQMOD', '/a')).toEqual({ backends: new Set([0]), path: '/a' });
    expect(find('RESPMOD', '/a')).toEqual({ backends: new Set([1]), path: '/a' });
    expect(find('RESPMOD', '/b')).toEqual({ backends: new Set([2]), path: '/b' });
  });

  test('for every path leave no path without a route', () => {
    const find = createRouter([route({ methods: ['REQMOD'], rewritePath: '/x' })], NAMES);
    expect(find('REQMOD', '/b')).toEqual({ backends: undefined, path: '/x' });
    expect(find('RESPMOD', '/b')).toBe('no-method');
  });

  test('say which paths the backends will be asked for', () => {
    const routes = [
      route({ methods: ['REQMOD'], path: '/a', backends: ['dlp-2'] }),
      route({ path: '/b', rewritePath: '/a' }),
      route({ methods: ['REQMOD'] }),
    ];
    expect(routePaths(routes, NAMES)).toEqual([
      { path: '/a', methods: ['REQMOD'], backends: new Set([1]) },
      { path: '/a', methods: ['REQMOD', 'RESPMOD'], backends: undefined },
    ]);
  });

  test('never send a transaction to a path that routePaths does not know, other than its own', () => {
    const path = fc.constantFrom('/a', '/b', '/c');
    const method = fc.constantFrom<ModMethod>('REQMOD', 'RESPMOD');
    const anyRoute = fc.record<RouteConfig>({
      methods: fc.uniqueArray(method, { maxLength: 2 }),
      path: fc.option(path, { nil: undefined }),
      backends: fc.subarray(NAMES),
      rewritePath: fc.option(path, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(anyRoute, { maxLength: 5 }), method, path, (routes, wanted, asked) => {
        const found = createRouter(routes, NAMES)(wanted, asked);
        if (typeof found === 'string') return;
        const known = routePaths(routes, NAMES).some(
          (entry) => entry.path === found.path && entry.methods.includes(wanted),
        );
        expect(known || found.path === asked).toBe(true);
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});
