import type { ServiceConfig } from '../config.ts';
import type { ModMethod, RouteConfig } from '../icap-config.ts';
import type { Place } from '../report.ts';
import { show } from '../show.ts';

const BOTH_METHODS: readonly ModMethod[] = ['REQMOD', 'RESPMOD'];

/** Whether every route leads somewhere, and every one can be reached. */
export function checkRoutes({ backends, icap }: ServiceConfig, place: Place): void {
  const routes = place.at('routes').pair(icap.routes);
  if (!place.at('backends').failed) {
    const weights = new Map(backends.map(({ name, weight }) => [name, weight]));
    for (const [route, routePlace] of routes) checkTargets(route, weights, routePlace.at('backends'));
  }
  if (!place.at('routes').failed) checkReach(routes);
}

function checkTargets(route: RouteConfig, weights: ReadonlyMap<string, number>, place: Place): void {
  const unknown = route.backends.filter((name) => !weights.has(name));
  for (const name of unknown) place.error(`there is no backend named ${show(name)} in this service`);
  if (unknown.length === 0 && route.backends.length > 0 && route.backends.every((name) => weights.get(name) === 0)) {
    place.error('all of them have weight 0, so that none would get a request');
  }
}

// The first route that fits counts: one whose every request fits an earlier one is a mistake in their order.
function checkReach(routes: readonly (readonly [RouteConfig, Place])[]): void {
  const takers = new Map<string, Place>();
  for (const [{ methods, path = '*' }, place] of routes) {
    const wanted = methods.length === 0 ? BOTH_METHODS : methods;
    const taken = wanted.map((method) => takers.get(`${method} *`) ?? takers.get(`${method} ${path}`));
    const [first] = taken;
    if (first !== undefined && !taken.includes(undefined)) {
      place.error(`can never be used: the route in line ${first.line} comes first and takes the same requests`);
    }
    for (const [index, method] of wanted.entries()) {
      if (taken[index] === undefined) takers.set(`${method} ${path}`, place);
    }
  }
}
