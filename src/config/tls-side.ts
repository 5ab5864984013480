import type { ServiceConfig } from './config.ts';

/**
 * `backend` where a service takes clear text and speaks TLS to its backends, as stunnel's client mode does: what goes to
 * the backend is then what is sent to TLS. Undefined for every other.
 */
export function tlsSideOf({ tls, backends }: Pick<ServiceConfig, 'tls' | 'backends'>): 'backend' | undefined {
  return tls === undefined && backends.some((backend) => backend.tls !== undefined) ? 'backend' : undefined;
}
