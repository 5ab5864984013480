import type { Config } from '../config/config.ts';
import type { Control, ControlResult } from '../observe/control.ts';
import type { Logger } from '../observe/logger.ts';
import type { ReloadResult } from '../observe/reload-result.ts';
import type { Blocks } from './blocks.ts';
import type { ConnectionSurvey } from './connection-survey.ts';
import type { Pool } from './pool.ts';

export interface ControlOptions {
  /** What runs at the moment: one pool for each service. */
  readonly running: () => { readonly config: Config; readonly pools: readonly Pool[] };
  readonly survey: ConnectionSurvey;
  readonly blocks: Blocks;
  readonly log: Logger;
  readonly reload: () => Promise<ReloadResult>;
}

/** What the admin endpoint can do to a running gateway. */
export function createControl({ running, survey, blocks, log, reload }: ControlOptions): Control {
  const withBackend = (service: string, backend: string, act: (pool: Pool) => void): ControlResult => {
    const { config, pools } = running();
    const index = config.services.findIndex(({ name }) => name === service);
    const pool = pools[index];
    if (pool === undefined) return unknown('service', service, config.services);
    const backends = config.services[index]?.backends ?? [];
    if (backends.every(({ name }) => name !== backend)) return unknown(`backend in ${service}`, backend, backends);
    act(pool);
    return { ok: true };
  };
  const inForce = async <T>(result: T): Promise<T> => {
    // Who answers has dealt with all it was told before.
    await survey.settled();
    return result;
  };
  return {
    setBackend: (service, backend, wish) =>
      withBackend(service, backend, (pool) => pool.setAdministrative(backend, wish)),
    setWeight: (service, backend, weight) =>
      withBackend(service, backend, (pool) => {
        pool.setWeight(backend, weight);
        log.log('backend-weight', { service, backend, weight });
      }),
    connections: (limit) => survey.list(limit),
    block: async (address, ttlMs) => inForce(await blocks.block(address, ttlMs)),
    unblock: async (address) => inForce(await blocks.unblock(address)),
    blocked: () => blocks.blocked,
    blockedReport: (limit) => blocks.report(limit),
    reload,
  };
}

function unknown(kind: string, name: string, known: readonly { readonly name: string }[]): ControlResult {
  const names = known.map((each) => each.name).join(', ');
  return { ok: false, reason: 'unknown', detail: `there is no ${kind} called ${name}; there is ${names}` };
}
