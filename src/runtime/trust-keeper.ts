import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Config, ServiceTlsConfig } from '../config/config.ts';
import { TlsMaterialError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { CertificateExpiry } from '../observe/metrics.ts';
import { loadServiceMaterial } from '../tls/service-material.ts';
import type { TicketSecret } from '../tls/ticket-keys.ts';
import { reportExpiries } from './expiry-report.ts';
import { watchFiles } from './file-watch.ts';
import type { LoadedService } from './material.ts';
import type { ToWorker } from './snapshot.ts';

export interface TrustKeeperOptions {
  readonly config: Config;
  /** The number of that configuration. */
  readonly generation: number;
  /** One for each service. */
  readonly material: readonly LoadedService[];
  /** Of the configuration before, whose sessions can be resumed; undefined: new ones. */
  readonly tickets: TicketHandover | undefined;
  readonly log: Logger;
  readonly tell: (message: ToWorker) => void;
  readonly onExpiries: (expiries: readonly CertificateExpiry[]) => void;
}

/** Ticket keys with the time of their next rotation, which another configuration does not put off. */
export interface TicketHandover extends TicketSecret {
  /** Of `performance.now()`. */
  readonly dueMs: number;
}

const TICKET_ROTATION_MS = 12 * 60 * 60 * 1000;
const TICKET_CHECK_MS = 60 * 1000;
const EXPIRY_CHECK_MS = 60 * 60 * 1000;
/** A swapped certificate is served within a second. */
const FILE_CHECK_MS = 500;

/** What the services trust, as time goes by: ticket keys rotate, files change, certificates expire. */
export class TrustKeeper implements Disposable {
  readonly #options: TrustKeeperOptions;
  readonly #material: LoadedService[];
  readonly #secret: Buffer;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #watches: Disposable[] = [];
  /** What was last told of files that cannot be used, by service. */
  readonly #failures: Map<number, string> = new Map();
  #ticketEpoch = 0;
  #ticketsDueMs: number;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.#material = [...options.material];
    const { tickets } = options;
    this.#secret = Buffer.from(tickets?.secret ?? randomBytes(32));
    this.#ticketEpoch = tickets?.epoch ?? 0;
    this.#ticketsDueMs = tickets?.dueMs ?? performance.now() + TICKET_ROTATION_MS;
  }

  /** As it is in force now, for a worker that starts. */
  get material(): readonly LoadedService[] {
    return this.#material;
  }

  get tickets(): TicketSecret {
    return { secret: this.#secret, epoch: this.#ticketEpoch };
  }

  get handover(): TicketHandover {
    return { ...this.tickets, dueMs: this.#ticketsDueMs };
  }

  start(): void {
    this.#timers.push(setInterval(() => this.#rotateTickets(), TICKET_CHECK_MS));
    this.#timers.push(setInterval(() => this.#reportExpiries(), EXPIRY_CHECK_MS));
    for (const [index, { name, tls }] of this.#options.config.services.entries()) {
      if (tls === undefined) continue;
      const onChange = (): boolean => this.#takeFiles(tls, name, index);
      // On a reload they may have changed since it read them; what was in force by then must not go back.
      if (this.#options.tickets !== undefined) onChange();
      this.#watches.push(watchFiles({ paths: filesOf(tls), intervalMs: FILE_CHECK_MS, onChange }));
    }
    this.#reportExpiries();
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const watch of this.#watches) watch[Symbol.dispose]();
  }

  #rotateTickets(): void {
    if (performance.now() < this.#ticketsDueMs) return;
    this.#ticketsDueMs += TICKET_ROTATION_MS;
    this.#ticketEpoch += 1;
    this.#options.tell({ type: 'tickets', tickets: this.tickets });
  }

  #reportExpiries(): void {
    const { config, log, onExpiries } = this.#options;
    onExpiries(reportExpiries(config, this.#material, log));
  }

  /** Takes what is on the disk now; where it cannot be used, what was taken before stays in force. */
  #takeFiles(tls: ServiceTlsConfig, service: string, index: number): boolean {
    const { generation, log, tell } = this.#options;
    const current = this.#material[index];
    if (current === undefined) return true;
    try {
      const material = loadServiceMaterial(tls);
      this.#failures.delete(index);
      if (isDeepStrictEqual(material, current.material)) return true;
      this.#material[index] = { ...current, material };
      tell({ type: 'material', generation, service: index, material });
      log.log('certificates-read', { service });
      this.#reportExpiries();
      return true;
    } catch (error) {
      if (!(error instanceof TlsMaterialError)) throw error;
      // It is tried again and again; the same trouble is told once.
      if (this.#failures.get(index) !== error.message) {
        this.#failures.set(index, error.message);
        log.log('certificates-failed', { service, detail: error.message });
      }
      return false;
    }
  }
}

function filesOf({ cert, key, keyPassphraseFile, clientAuth }: ServiceTlsConfig): readonly string[] {
  const own = [cert, key, keyPassphraseFile].filter((file) => file !== undefined);
  return [...own, ...clientAuth.ca, ...clientAuth.crl];
}
