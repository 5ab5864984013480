import type { ServiceStatus, StatusSnapshot } from '../observe/status.ts';

interface Status extends Pick<StatusSnapshot, 'state'> {
  readonly services: readonly Pick<ServiceStatus, 'name' | 'connections' | 'backends' | 'behind'>[];
}

/** The gateway in one line, for `systemctl status`: `ready: 2 services, 17 connections; no usable backend: dlp`. */
export function statusLine({ state, services }: Status): string {
  const connections = services.reduce((sum, service) => sum + service.connections.active, 0);
  // Where clients go that are not trusted is no service that anybody asked for.
  const named = services.filter(({ behind }) => behind === null || behind.names.length > 0);
  const down = named.filter(({ backends }) => !backends.some((backend) => backend.state === 'up'));
  const counts = `${state}: ${counted(named.length, 'service')}, ${counted(connections, 'connection')}`;
  return down.length === 0 ? counts : `${counts}; no usable backend: ${down.map(({ name }) => name).join(', ')}`;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
