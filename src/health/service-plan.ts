import type { ServiceConfig } from '../config/config.ts';
import type { ModMethod, RouteConfig } from '../config/icap-config.ts';
import { routePaths } from '../policy/route.ts';
import type { DeepCheck } from './probe.ts';

/** A path that backends are asked about from the start. */
export interface KnownPath {
  readonly path: string;
  /** Positions in the service's list; undefined: all of them. */
  readonly backends: ReadonlySet<number> | undefined;
}

type PlannedService = Pick<ServiceConfig, 'protocol' | 'health' | 'icap' | 'backends'>;

/** The paths that the configuration names: of its routes, as backends know them, and of its health check. */
export function knownPaths({
  health,
  icap,
  backends,
}: Pick<PlannedService, 'health' | 'icap' | 'backends'>): readonly KnownPath[] {
  const known = new Map<string, ReadonlySet<number> | undefined>();
  const names = backends.map(({ name }) => name);
  for (const { path, backends: some } of routePaths(icap.routes, names)) {
    const others = known.has(path) ? known.get(path) : new Set<number>();
    known.set(path, some === undefined || others === undefined ? undefined : new Set([...others, ...some]));
  }
  if (health.path !== undefined) known.set(health.path, undefined);
  return Array.from(known, ([path, some]) => ({ path, backends: some }));
}

/** What the routes need this backend to do under a path. A route that names no methods takes what there is. */
export function neededMethods(service: PlannedService, backend: string, path: string): readonly ModMethod[] {
  const routes = routesOf(service, backend).filter((route) => backendPath(route) === path);
  return [...new Set(routes.flatMap(({ methods }) => methods))];
}

/** Where content is tried out on this backend; undefined: nowhere. */
export function deepCheckOf(service: PlannedService, backend: string): DeepCheck | undefined {
  const { health } = service;
  if (!health.deep) return undefined;
  if (health.path !== undefined) {
    return { path: health.path, method: neededMethods(service, backend, health.path)[0] };
  }
  const routes = routesOf(service, backend).filter((route) => backendPath(route) !== undefined);
  const uploads = routes.find(({ methods }) => methods.length === 0 || methods.includes('REQMOD'));
  const path = backendPath(uploads ?? routes[0]);
  if (path === undefined) return undefined;
  return { path, method: uploads === undefined ? 'RESPMOD' : uploads.methods.find((method) => method === 'REQMOD') };
}

/** In a tunnel nobody reads the paths, so routes mean nothing there. */
function routesOf({ protocol, icap }: PlannedService, backend: string): readonly RouteConfig[] {
  if (protocol === 'tunnel') return [];
  return icap.routes.filter(({ backends }) => backends.length === 0 || backends.includes(backend));
}

function backendPath(route: RouteConfig | undefined): string | undefined {
  return route?.rewritePath ?? route?.path;
}
