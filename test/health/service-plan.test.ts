import { describe, expect, test } from 'vitest';
import type { ServiceConfig } from '../../src/config/config.ts';
import { deepCheckOf, knownPaths, neededMethods } from '../../src/health/service-plan.ts';
import { readConfig } from '../_util/config-text.ts';

interface Wishes {
  readonly protocol?: 'icap' | 'tunnel';
  readonly health?: Readonly<Record<string, unknown>>;
  readonly routes?: readonly Readonly<Record<string, unknown>>[];
}

/** A service with the backends `up` and `down`. */
function serviceWith({ protocol = 'icap', health = {}, routes = [] }: Wishes): ServiceConfig {
  const backends = [
    { name: 'up', address: '10.0.0.5:1344' },
    { name: 'down', address: '10.0.0.6:1344' },
  ];
  const service = { name: 'dlp', listen: '127.0.0.1:0', protocol, tls: 'off', backends, health, routes };
  const { config, problems } = readConfig(JSON.stringify({ services: [service] }));
  const [first] = config?.services ?? [];
  if (first === undefined) throw new Error(problems.join('; '));
  return first;
}

/** Symantec's: uploads to one server, downloads to the other. */
const SPLIT = [
  { methods: ['REQMOD'], path: '/upload', backends: ['up'], 'rewrite-path': '/reqmod' },
  { methods: ['RESPMOD'], path: '/download', backends: ['down'] },
];

describe('the known paths', () => {
  test('are those that routes lead to, with the backends they lead to, and that of the health check', () => {
    const service = serviceWith({ health: { path: '/health' }, routes: SPLIT });
    expect(knownPaths(service)).toEqual([
      { path: '/reqmod', backends: new Set([0]) },
      { path: '/download', backends: new Set([1]) },
      { path: '/health', backends: undefined },
    ]);
  });

  test('of several routes to one path are asked of all their backends', () => {
    const routes = [
      { methods: ['REQMOD'], path: '/a', backends: ['up'], 'rewrite-path': '/scan' },
      { methods: ['RESPMOD'], path: '/b', backends: ['down'], 'rewrite-path': '/scan' },
    ];
    expect(knownPaths(serviceWith({ routes }))).toEqual([{ path: '/scan', backends: new Set([0, 1]) }]);
    const open = [...routes, { path: '/scan' }];
    expect(knownPaths(serviceWith({ routes: open }))).toEqual([{ path: '/scan', backends: undefined }]);
  });

  test('are none where nothing is configured', () => {
    expect(knownPaths(serviceWith({}))).toEqual([]);
  });
});

describe('the methods that routes need', () => {
  test.each([
    { backend: 'up', path: '/reqmod', methods: ['REQMOD'] },
    { backend: 'up', path: '/upload', methods: [] },
    { backend: 'down', path: '/download', methods: ['RESPMOD'] },
    { backend: 'down', path: '/reqmod', methods: [] },
  ])('of $backend under $path are $methods', ({ backend, path, methods }) => {
    expect(neededMethods(serviceWith({ routes: SPLIT }), backend, path)).toEqual(methods);
  });

  test('are none in a tunnel, where nobody reads paths', () => {
    expect(neededMethods(serviceWith({ protocol: 'tunnel', routes: SPLIT }), 'up', '/reqmod')).toEqual([]);
  });

  test('are none of a route that names none', () => {
    expect(neededMethods(serviceWith({ routes: [{ path: '/scan' }] }), 'up', '/scan')).toEqual([]);
  });
});

describe('the deep check', () => {
  test.each([
    { name: 'is off unless asked for', health: {}, routes: SPLIT, expected: undefined },
    {
      name: 'goes to the path of the health check',
      health: { deep: 'on', path: '/reqmod' },
      routes: SPLIT,
      expected: { path: '/reqmod', method: 'REQMOD' },
    },
    {
      name: 'asks the server for the method where no route says it',
      health: { deep: 'on', path: '/scan' },
      routes: [],
      expected: { path: '/scan', method: undefined },
    },
    {
      name: 'goes to the first route with uploads',
      health: { deep: 'on' },
      routes: [
        { methods: ['RESPMOD'], path: '/r' },
        { methods: ['REQMOD'], path: '/q' },
      ],
      expected: { path: '/q', method: 'REQMOD' },
    },
    {
      name: 'goes to a route with downloads where there is no other',
      health: { deep: 'on' },
      routes: [{ methods: ['RESPMOD'], path: '/r' }],
      expected: { path: '/r', method: 'RESPMOD' },
    },
  ])('$name', ({ health, routes, expected }) => {
    expect(deepCheckOf(serviceWith({ health, routes }), 'up')).toEqual(expected);
  });

  test('of each backend uses a route of its own', () => {
    const service = serviceWith({ health: { deep: 'on' }, routes: SPLIT });
    expect(deepCheckOf(service, 'up')).toEqual({ path: '/reqmod', method: 'REQMOD' });
    expect(deepCheckOf(service, 'down')).toEqual({ path: '/download', method: 'RESPMOD' });
  });
});
