import { randomBytes } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { TlsMaterialError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { CertificateExpiry } from '../observe/metrics.ts';
import { withRevocationLists } from '../tls/revocation.ts';
import type { TicketSecret } from '../tls/ticket-keys.ts';
import { reportExpiries } from './expiry-report.ts';
import type { LoadedService } from './material.ts';
import { watchRevocationLists } from './revocation-watch.ts';
import type { ToWorker } from './snapshot.ts';

export interface TrustKeeperOptions {
  readonly config: Config;
  /** One for each service. */
  readonly material: readonly LoadedService[];
  readonly log: Logger;
  readonly tell: (message: ToWorker) => void;
  readonly onExpiries: (expiries: readonly CertificateExpiry[]) => void;
}

const TICKET_ROTATION_MS = 12 * 60 * 60 * 1000;
const EXPIRY_CHECK_MS = 60 * 60 * 1000;
const REVOCATION_CHECK_MS = 10_000;

/** What the services trust, as time goes by: ticket keys rotate, revocation lists change, certificates expire. */
export class TrustKeeper implements Disposable {
  readonly #options: TrustKeeperOptions;
  readonly #material: LoadedService[];
  readonly #secret: Buffer = randomBytes(32);
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #watches: Disposable[] = [];
  /** What was last told of lists that cannot be used, by service. */
  readonly #failures: Map<number, string> = new Map();
  #ticketEpoch = 0;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.#material = [...options.material];
  }

  /** As it is in force now, for a worker that starts. */
  get material(): readonly LoadedService[] {
    return this.#material;
  }

  get tickets(): TicketSecret {
    return { secret: this.#secret, epoch: this.#ticketEpoch };
  }

  start(): void {
    this.#timers.push(setInterval(() => this.#rotateTickets(), TICKET_ROTATION_MS));
    this.#timers.push(setInterval(() => this.#reportExpiries(), EXPIRY_CHECK_MS));
    for (const [index, { name, tls }] of this.#options.config.services.entries()) {
      const paths = tls?.clientAuth.crl ?? [];
      if (paths.length === 0) continue;
      const onChange = (): boolean => this.#takeLists(paths, name, index);
      this.#watches.push(watchRevocationLists({ paths, intervalMs: REVOCATION_CHECK_MS, onChange }));
    }
    this.#reportExpiries();
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const watch of this.#watches) watch[Symbol.dispose]();
  }

  #rotateTickets(): void {
    this.#ticketEpoch += 1;
    this.#options.tell({ type: 'tickets', tickets: this.tickets });
  }

  #reportExpiries(): void {
    const { config, log, onExpiries } = this.#options;
    onExpiries(reportExpiries(config, this.#material, log));
  }

  /** Takes new revocation lists; where they cannot be used, those taken before stay in force. */
  #takeLists(paths: readonly string[], service: string, index: number): boolean {
    const { log, tell } = this.#options;
    const loaded = this.#options.material[index]?.material;
    const current = this.#material[index];
    if (loaded === undefined || current === undefined) return true;
    try {
      const material = withRevocationLists(loaded, paths);
      this.#failures.delete(index);
      if (material.policyHash === current.material?.policyHash) return true;
      this.#material[index] = { ...current, material };
      tell({ type: 'material', service: index, material });
      log.log('revocation-lists-read', { service });
      this.#reportExpiries();
      return true;
    } catch (error) {
      if (!(error instanceof TlsMaterialError)) throw error;
      // It is tried again and again; the same trouble is told once.
      if (this.#failures.get(index) !== error.message) {
        this.#failures.set(index, error.message);
        log.log('revocation-lists-failed', { service, detail: error.message });
      }
      return false;
    }
  }
}
