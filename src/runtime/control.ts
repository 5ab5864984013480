import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import type { ConnectionList } from '../observe/connection-entry.ts';
import type { Control, ControlResult } from '../observe/control.ts';
import type { Logger } from '../observe/logger.ts';
import type { ReloadResult } from '../observe/reload-result.ts';
import type { BlockKeeper } from './block-keeper.ts';
import type { Crew } from './crew.ts';
import type { Pool } from './pool.ts';

export interface ControlOptions {
  /** What runs at the moment: one pool for each service. */
  readonly running: () => { readonly config: Config; readonly pools: readonly Pool[] };
  readonly crew: Crew;
  readonly blocks: BlockKeeper;
  readonly log: Logger;
  readonly reload: () => Promise<ReloadResult>;
}

/** A worker that does not answer for so long hangs, or has very much to do. */
const ANSWER_PATIENCE_MS = 2_000;

/** What the admin endpoint can do to a running gateway. */
export function createControl({ running, crew, blocks, log, reload }: ControlOptions): Control {
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
  let asked: Promise<unknown> = Promise.resolve();
  /** One question after the other: an answer does not say which one it is to. */
  const askConnections = async (limit: number): Promise<readonly Answer[] | undefined> => {
    const answers = asked.then(() => crew.ask({ type: 'connections', limit }, 'connections'));
    asked = answers;
    return await Promise.race([answers, delay(ANSWER_PATIENCE_MS, undefined, { ref: false })]);
  };
  const inForce = async <T>(result: T): Promise<T> => {
    // Who answers has dealt with all it was told before.
    await askConnections(0);
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
    connections: async (limit) => {
      const answers = await askConnections(limit);
      return answers && merge(answers, limit);
    },
    block: (address, ttlMs) => inForce(blocks.block(address, ttlMs)),
    unblock: (address) => inForce(blocks.unblock(address)),
    blocked: () => blocks.blocked,
    reload,
  };
}

type Answer = Awaited<ReturnType<Crew['ask']>>[number] & { readonly type: 'connections' };

function merge(answers: readonly Answer[], limit: number): ConnectionList {
  return {
    total: answers.reduce((sum, { total }) => sum + total, 0),
    connections: answers
      .flatMap(({ entries }) => entries)
      .sort((a, b) => a.connection - b.connection)
      .slice(0, limit),
  };
}

function unknown(kind: string, name: string, known: readonly { readonly name: string }[]): ControlResult {
  const names = known.map((each) => each.name).join(', ');
  return { ok: false, reason: 'unknown', detail: `there is no ${kind} called ${name}; there is ${names}` };
}
