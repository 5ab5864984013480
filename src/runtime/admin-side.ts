import type { AdminConfig, Config } from '../config/config.ts';
import type { Feed } from '../feeds/feed.ts';
import type { AdminServer } from '../observe/admin.ts';
import type { ConnectionList } from '../observe/connection-entry.ts';
import type { Logger } from '../observe/logger.ts';
import type { ReloadResult } from '../observe/reload-result.ts';
import type { StatusSnapshot } from '../observe/status.ts';
import type { Blocks } from './blocks.ts';
import { ConnectionSurvey } from './connection-survey.ts';
import { createControl } from './control.ts';
import type { Crew } from './crew.ts';
import { type RunningGateway, readiness, snapshotStatus } from './gateway-status.ts';
import { giveSocket } from './privileges.ts';
import { StatusHistory } from './status-history.ts';

export interface AdminSideOptions {
  readonly crew: Crew;
  /** Stays its owner's. */
  readonly blocks: Blocks;
  readonly log: Logger;
  /** As it is at the moment of the call. */
  readonly running: () => RunningGateway;
  readonly metricsText: () => Promise<string>;
  readonly reload: () => Promise<ReloadResult>;
  readonly feed: Feed | undefined;
}

/** What operators see of a running gateway and can do to it, with the endpoint they come to. */
export class AdminSide implements AsyncDisposable {
  readonly #options: AdminSideOptions;
  readonly #history: StatusHistory;
  readonly #survey: ConnectionSurvey;
  #server: AdminServer | undefined;

  constructor(options: AdminSideOptions) {
    const { crew, running } = options;
    this.#options = options;
    this.#survey = new ConnectionSurvey(crew);
    this.#history = new StatusHistory(() => {
      const { config, totals } = running();
      return { names: config.services.map(({ name }) => name), totals };
    });
  }

  /** `127.0.0.1:9344`, as really bound; undefined where there is no endpoint. */
  get address(): string | undefined {
    return this.#server?.address;
  }

  /** The oldest of the open connections; undefined where a worker does not answer. */
  connections(limit: number): Promise<ConnectionList | undefined> {
    return this.#survey.list(limit);
  }

  status(): StatusSnapshot {
    const { running, log, blocks } = this.#options;
    const blockedCount = [...blocks.counts.values()].reduce((sum, count) => sum + count, 0);
    return snapshotStatus({ ...running(), history: this.#history, recent: log.recent, blockedCount });
  }

  /** `token` is asked of everybody where there is one. Throws `ICAPGW_LISTEN` where a wanted address cannot be had. */
  async start({ listen, explicit }: AdminConfig, token: string | undefined): Promise<void> {
    this.#history.start();
    if (listen === 'off') return;
    const { crew, blocks, log, running, metricsText, reload, feed } = this.#options;
    const { startAdmin } = await import('../observe/admin.ts');
    this.#server = await startAdmin({
      ...{ listen, explicit, token, log },
      sources: {
        status: () => this.status(),
        readiness: () =>
          readiness({ ...running(), isListening: crew.isListening, feedTrouble: feed?.status().trouble }),
        metricsText,
        control: createControl({ running, survey: this.#survey, blocks, log, reload }),
      },
    });
  }

  /** Who operates the gateway as the user it runs as must be able to reach it. */
  async giveSocket(config: Config): Promise<void> {
    const { listen } = config.admin;
    if (listen === 'off' || listen.kind !== 'unix' || this.address === undefined) return;
    await giveSocket(config, listen.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#history[Symbol.dispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }
}
