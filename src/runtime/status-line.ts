import type { ServiceStatus, StatusSnapshot } from '../observe/status.ts';

interface Status extends Pick<StatusSnapshot, 'state'> {
  readonly services: readonly Pick<ServiceStatus, 'name' | 'connections' | 'backends'>[];
}

/** The gateway in one line, for `systemctl status`: `ready: 2 services, 17 connections; no usable backend: dlp`. */
export function statusLine({ state, services }: Status): string {
  const connections = services.reduce((sum, service) => sum + service.connections.active, 0);
  const down = services.filter(({ backends }) => !backends.some((backend) => backend.state === 'up'));
  const counts = `${state}: ${counted(services.length, 'service')}, ${counted(connections, 'connection')}`;
  return down.length === 0 ? counts : `${counts}; no usable backend: ${down.map(({ name }) => name).join(', ')}`;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
