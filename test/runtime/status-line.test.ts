import { expect, test } from 'vitest';
import type { BackendStateLabel } from '../../src/observe/labels.ts';
import type { ServiceStatus } from '../../src/observe/status.ts';
import { statusLine } from '../../src/runtime/status-line.ts';

type Served = Parameters<typeof statusLine>[0]['services'][number];

function service(
  name: string,
  active: number,
  states: readonly BackendStateLabel[],
  behind: Served['behind'] = null,
): Served {
  const backends = states.map((state) => ({ state }) as ServiceStatus['backends'][number]);
  return { name, connections: { active } as ServiceStatus['connections'], backends, behind };
}

test.each([
  {
    name: 'counts services and connections',
    services: [service('mcas', 16, ['up', 'down']), service('dlp', 1, ['up'])],
    line: 'ready: 2 services, 17 connections',
  },
  {
    name: 'does not say "1 services"',
    services: [service('mcas', 1, ['up'])],
    line: 'ready: 1 service, 1 connection',
  },
  {
    name: 'names the services that nobody serves',
    services: [service('mcas', 0, ['down', 'drain']), service('dlp', 0, ['up']), service('kata', 0, ['maint'])],
    line: 'ready: 3 services, 0 connections; no usable backend: mcas, kata',
  },
  {
    name: 'counts those that are redirected as connections only',
    services: [
      service('dlp', 1, ['up']),
      service('named', 1, ['up'], { service: 'dlp', names: ['named.example'] }),
      service('dlp redirect', 2, ['down'], { service: 'dlp', names: [] }),
    ],
    line: 'ready: 2 services, 4 connections',
  },
])('the status line $name', ({ services, line }) => {
  expect(statusLine({ state: 'ready', services })).toBe(line);
});
