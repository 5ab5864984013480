import type { BackendConfig, ServiceConfig } from './config.ts';
import { ICAP } from './schema/icap-schema.ts';
import type { ClientAuthConfig } from './tls-config.ts';

/** What the service is called that has the clients which another one does not accept. */
export function redirectName(service: string): string {
  return `${service} redirect`;
}

/**
 * The services with one more for each that redirects: it has the addresses of `redirect` for backends, and nothing else
 * leads to them. What is redirected is limited, carried and counted there.
 */
export function withRedirects(services: readonly ServiceConfig[]): readonly ServiceConfig[] {
  return [...services, ...services.flatMap(redirectOf)];
}

/** The services that a configuration names, without those that have the clients which they redirect. */
export function namedServices<S extends Pick<ServiceConfig, 'redirectOf'>>(services: readonly S[]): readonly S[] {
  return services.filter((service) => service.redirectOf === undefined);
}

function redirectOf(service: ServiceConfig): ServiceConfig[] {
  const auth = service.tls?.clientAuth;
  if (auth === undefined || auth.redirect.length === 0) return [];
  const { health, limits, proxyProtocol } = service;
  return [
    {
      ...service,
      name: redirectName(service.name),
      redirectOf: service.name,
      listen: [],
      execRestartMs: undefined,
      sni: undefined,
      protocol: 'tunnel',
      tls: undefined,
      // Who comes has been let in by the lists and limits of the service, and goes on counting there by its address.
      allowFrom: [],
      denyFrom: [],
      limits: { ...limits, connectionsPerSource: 0, handshakesPerSource: 0 },
      proxyProtocol: { accept: 'off', from: [], send: proxyProtocol.send },
      balance: { policy: 'round-robin', header: undefined },
      backends: targetsOf(auth),
      health: { ...health, type: health.type === 'none' ? 'none' : 'tcp', path: undefined, deep: false },
      icap: ICAP.fallback,
    },
  ];
}

function targetsOf({ redirect, redirectBalance }: ClientAuthConfig): BackendConfig[] {
  const byText = Map.groupBy(redirect, ({ text }) => text);
  return [...byText].flatMap(([text, [first, ...more]], index): BackendConfig[] => {
    if (first === undefined) return [];
    const inOrder = redirectBalance === 'in-order';
    const share = inOrder ? { priority: index, weight: 1 } : { priority: 0, weight: 1 + more.length };
    return [{ name: text, address: first.address, addressText: text, maxConnections: 0, tls: undefined, ...share }];
  });
}
