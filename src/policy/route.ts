import type { ModMethod, RouteConfig } from '../config/icap-config.ts';

const BOTH_METHODS: readonly ModMethod[] = ['REQMOD', 'RESPMOD'];

/** Where a transaction goes. */
export interface Route {
  /** Positions in the service's list of backends; undefined: all of them. */
  readonly backends: ReadonlySet<number> | undefined;
  /** What the backend is asked for. */
  readonly path: string;
}

/**
 * Finds the route of a transaction by its method and the canonical path of its URI, without the query. `no-path`: no
 * route is about this path (404); `no-method`: some are, for the other method (405).
 */
export type Router = (method: ModMethod, path: string) => Route | 'no-path' | 'no-method';

/** A route as the backends see it: a service path of theirs, and what it is used for. */
export interface RoutePath {
  readonly path: string;
  readonly methods: readonly ModMethod[];
  /** As in `Route`. */
  readonly backends: ReadonlySet<number> | undefined;
}

/**
 * The first route that fits counts. Without routes every path goes to every backend as it is. `backendNames` are in the
 * order of the service's list; the validator has seen to it that each name in a route is one of them.
 */
export function createRouter(routes: readonly RouteConfig[], backendNames: readonly string[]): Router {
  if (routes.length === 0) return (_method, path) => ({ backends: undefined, path });
  const compiled = routes.map((route) => ({
    path: route.path,
    methods: methodsOf(route),
    rewritePath: route.rewritePath,
    backends: backendsOf(route, backendNames),
  }));
  return (method, path) => {
    let isKnown = false;
    for (const route of compiled) {
      if (route.path !== undefined && route.path !== path) continue;
      if (route.methods.includes(method)) return { backends: route.backends, path: route.rewritePath ?? path };
      isKnown = true;
    }
    return isKnown ? 'no-method' : 'no-path';
  };
}

/**
 * The paths that backends are known to be asked for, one entry per route: two routes may share a path and differ in
 * methods and backends. A route for every path without `rewrite-path` names none.
 */
export function routePaths(routes: readonly RouteConfig[], backendNames: readonly string[]): readonly RoutePath[] {
  return routes.flatMap((route) => {
    const path = route.rewritePath ?? route.path;
    return path === undefined ? [] : [{ path, methods: methodsOf(route), backends: backendsOf(route, backendNames) }];
  });
}

function methodsOf({ methods }: RouteConfig): readonly ModMethod[] {
  return methods.length === 0 ? BOTH_METHODS : methods;
}

function backendsOf({ backends }: RouteConfig, backendNames: readonly string[]): ReadonlySet<number> | undefined {
  return backends.length === 0 ? undefined : new Set(backends.map((name) => backendNames.indexOf(name)));
}
