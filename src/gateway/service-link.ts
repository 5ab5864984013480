import type { SniConfig } from '../config/config.ts';
import type { ServiceContext } from './context.ts';
import type { Service } from './service.ts';

/** A service with what it is by a certain configuration, which need not be in force yet. */
export interface ConfiguredService {
  readonly service: Service;
  readonly config: Pick<ServiceContext['config'], 'name' | 'sni' | 'redirectOf'>;
}

/** Tells services which others get clients through them: by server names, in the order of the configuration, and by redirection. */
export function linkServices(linked: readonly ConfiguredService[], all: readonly ConfiguredService[]): void {
  const byPrimary = Map.groupBy(all, ({ config }) => config.sni?.of);
  for (const { service, config } of linked) {
    service.setRedirect(all.find((each) => each.config.redirectOf === config.name)?.service);
    const secondaries = byPrimary.get(config.name) ?? [];
    service.setSecondaries(
      secondaries.map((secondary) => ({ patterns: secondary.config.sni?.names ?? [], value: secondary.service })),
    );
  }
}

/** Which service gets the clients that came by these names, now that their own is gone: another one by name, or the one that listens. */
export function successorByName(sni: SniConfig | undefined, all: readonly ConfiguredService[]): Service | undefined {
  if (sni === undefined) return undefined;
  const heir =
    all.find(({ config }) => config.sni?.names.some((name) => sni.names.includes(name))) ??
    all.find(({ config }) => config.name === sni.of);
  return heir?.service;
}
