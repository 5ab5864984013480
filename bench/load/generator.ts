import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type IcapExchange, icapExchange } from '../icap-message.ts';
import { LoadConnection } from './connection.ts';
import type { LoadOrder, LoadResult } from './protocol.ts';

/** Runs one share of a workload in a closed loop: each of `concurrency` users has one unit under way. */
export class LoadGenerator {
  readonly #order: LoadOrder;
  readonly #exchange: IcapExchange;
  readonly #secureContext: SecureContext;
  readonly #users: readonly User[];
  readonly #held: LoadConnection[] = [];

  constructor(order: LoadOrder) {
    this.#order = order;
    this.#exchange = icapExchange(order.workload.bodyBytes);
    this.#secureContext = createSecureContext({
      ca: readFileSync(order.caFile),
      cert: readFileSync(order.certFile),
      key: readFileSync(order.keyFile),
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_256_GCM_SHA384',
      // The same key exchange for every peer: newer ones would choose a dearer post-quantum hybrid by themselves.
      ecdhCurve: 'X25519',
    });
    this.#users = Array.from({ length: order.workload.concurrency }, () => ({ kept: undefined, session: undefined }));
  }

  /** Opens what is kept, collects tickets, and lets the peer's code get warm. */
  async warmUp(): Promise<void> {
    await this.#run(this.#order.warmUpCount, false);
  }

  async measure(): Promise<LoadResult> {
    return this.#run(this.#order.workload.unitCount, this.#order.workload.connection === 'idle');
  }

  async #run(unitCount: number, hold: boolean): Promise<LoadResult> {
    const latenciesMs = new Float64Array(unitCount);
    let next = 0;
    let resumedCount = 0;
    await Promise.all(
      this.#users.map(async (user) => {
        while (next < unitCount) {
          const unit = next;
          next += 1;
          const startedMs = performance.now();
          const connection = await this.#connectionFor(user);
          await connection.exchange(this.#exchange);
          latenciesMs[unit] = performance.now() - startedMs;
          resumedCount += Number(connection.isResumed);
          await this.#settle(user, connection, hold);
        }
      }),
    );
    return { latenciesMs, resumedCount };
  }

  async #connectionFor(user: User): Promise<LoadConnection> {
    if (user.kept !== undefined) return user.kept;
    const connection = new LoadConnection({
      port: this.#order.port,
      secureContext: this.#secureContext,
      session: this.#order.workload.connection === 'resumed' ? user.session : undefined,
    });
    await connection.opened();
    return connection;
  }

  async #settle(user: User, connection: LoadConnection, hold: boolean): Promise<void> {
    if (hold) {
      this.#held.push(connection);
      return;
    }
    if (this.#order.workload.connection === 'kept') {
      user.kept = connection;
      return;
    }
    // A server that sends no ticket on a resumed connection leaves the old one, which may be used again.
    user.session = connection.session ?? user.session;
    await connection.close();
  }
}

interface User {
  kept: LoadConnection | undefined;
  session: Buffer | undefined;
}
