import type { ServiceStatus, StatusSnapshot } from '../observe/status.ts';

/** The gateway in one line, for `systemctl status`: `draining: 2 services, 17 connections; no usable backend: dlp`. */
export function statusLine({ state, services }: StatusSnapshot): string {
  const connections = services.reduce((sum, service) => sum + service.connections.active, 0);
  const down = services.filter((service) => !isServed(service)).map(({ name }) => name);
  const counts = `${state}: ${counted(services.length, 'service')}, ${counted(connections, 'connection')}`;
  return down.length === 0 ? counts : `${counts}; no usable backend: ${down.join(', ')}`;
}

function isServed({ backends }: ServiceStatus): boolean {
  return backends.some(({ state }) => state === 'up');
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
