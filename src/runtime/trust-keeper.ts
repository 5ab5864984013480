import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import type { BackendTlsConfig, ServiceTlsConfig } from '../config/tls-config.ts';
import { TlsMaterialError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import type { CertificateExpiry } from '../observe/metrics.ts';
import { type BackendMaterial, backendFilesOf, loadBackendMaterial } from '../tls/backend-material.ts';
import { findRefusedBackendSetting, findRefusedSetting, type RefusedSetting } from '../tls/context-check.ts';
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
  /** The files of a backend have changed. */
  readonly onBackend: (service: number, backend: number, material: BackendMaterial) => void;
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
  /** By index of the service. */
  readonly #watches: Map<number, Disposable[]> = new Map();
  /** What was last told of files that cannot be used, by what they are for. */
  readonly #failures: Map<string, string> = new Map();
  #ticketEpoch = 0;
  #isRetired = false;
  #ticketsDueMs: number;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.#material = [...options.material];
    const { tickets } = options;
    this.#secret = Buffer.from(tickets?.secret ?? randomBytes(32));
    this.#ticketEpoch = tickets?.epoch ?? 0;
    this.#ticketsDueMs = tickets?.dueMs ?? performance.now() + TICKET_ROTATION_MS;
  }

  get generation(): number {
    return this.#options.generation;
  }

  /** Whether there are files it looks at. */
  get isFollowing(): boolean {
    return this.#watches.size > 0;
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
    for (const [index, service] of this.#options.config.services.entries()) {
      const { tls } = service;
      if (tls !== undefined) this.#watch(index, filesOf(tls), () => this.#takeFiles(tls, service.name, index));
      for (const [backend, { name, tls: backendTls }] of service.backends.entries()) {
        if (backendTls === undefined) continue;
        const target = { service: service.name, name, index, backend };
        this.#watch(index, backendFilesOf(backendTls), () => this.#takeBackendFiles(backendTls, target));
      }
    }
    this.#reportExpiries();
  }

  /**
   * Another configuration is in force. Of the services it has not, sessions may be left: what their clients are trusted
   * by is followed for as long as `follow` says so.
   */
  retire(next: Config): void {
    for (const timer of this.#timers) clearInterval(timer);
    const kept = new Set(next.services.map(({ name }) => name));
    this.follow((service) => !kept.has(service));
    this.#isRetired = true;
  }

  /** Looks no more at the files of services that are not wanted. */
  follow(isWanted: (service: string) => boolean): void {
    for (const [index, { name }] of this.#options.config.services.entries()) {
      if (!isWanted(name)) this.#unwatch(index);
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const index of this.#watches.keys()) this.#unwatch(index);
  }

  #watch(index: number, paths: readonly string[], onChange: () => boolean): void {
    // On a reload they may have changed since it read them; what was in force by then must not go back.
    if (this.#options.tickets !== undefined) onChange();
    const watches = this.#watches.get(index) ?? [];
    watches.push(watchFiles({ paths, intervalMs: FILE_CHECK_MS, onChange }));
    this.#watches.set(index, watches);
  }

  #unwatch(index: number): void {
    for (const watch of this.#watches.get(index) ?? []) watch[Symbol.dispose]();
    this.#watches.delete(index);
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
    const current = this.#material[index];
    if (current === undefined) return true;
    return this.#take(
      { service },
      current.material,
      { load: () => loadServiceMaterial(tls), findRefused: (material) => findRefusedSetting(tls, material) },
      (material) => {
        const { generation, tell } = this.#options;
        this.#material[index] = { ...current, material };
        tell({ type: 'material', generation, service: index, material });
        if (!this.#isRetired) this.#reportExpiries();
      },
    );
  }

  #takeBackendFiles(tls: BackendTlsConfig, { service, name, index, backend }: BackendTarget): boolean {
    const current = this.#material[index];
    if (current === undefined) return true;
    const { backendMaterial } = current;
    return this.#take(
      { service, backend: name },
      backendMaterial[backend],
      { load: () => loadBackendMaterial(tls), findRefused: findRefusedBackendSetting },
      (material) => {
        this.#material[index] = { ...current, backendMaterial: backendMaterial.with(backend, material) };
        this.#options.onBackend(index, backend, material);
        if (!this.#isRetired) this.#reportExpiries();
      },
    );
  }

  #take<M>(
    owner: FileOwner,
    current: M | undefined,
    { load, findRefused }: MaterialSource<M>,
    use: (material: M) => void,
  ): boolean {
    const { log } = this.#options;
    const key = JSON.stringify(owner);
    try {
      const material = load();
      const isNew = !isDeepStrictEqual(material, current);
      // Each worker would die of it, and who replaces it too.
      const refused = isNew ? findRefused(material) : undefined;
      if (refused !== undefined) return this.#failed(owner, key, refused.message);
      this.#failures.delete(key);
      if (!isNew) return true;
      use(material);
      log.log('certificates-read', owner);
      return true;
    } catch (error) {
      if (!(error instanceof TlsMaterialError)) throw error;
      return this.#failed(owner, key, error.message);
    }
  }

  #failed(owner: FileOwner, key: string, detail: string): false {
    // It is tried again and again; the same trouble is told once.
    if (this.#failures.get(key) !== detail) {
      this.#failures.set(key, detail);
      this.#options.log.log('certificates-failed', { ...owner, detail });
    }
    return false;
  }
}

/** How material is had from the disk, and whether OpenSSL takes it by the settings of its service or backend. */
interface MaterialSource<M> {
  readonly load: () => M;
  readonly findRefused: (material: M) => RefusedSetting | undefined;
}

/** Whose files they are. */
interface FileOwner {
  readonly service: string;
  readonly backend?: string;
}

interface BackendTarget {
  readonly service: string;
  readonly name: string;
  readonly index: number;
  readonly backend: number;
}

function filesOf(tls: ServiceTlsConfig): readonly string[] {
  const { cert, key, keyPassphraseFile, pskFile, ticketSecret, clientAuth } = tls;
  const own = [cert, key, keyPassphraseFile, pskFile, ticketSecret.file].filter((file) => file !== undefined);
  return [...own, ...clientAuth.ca, ...clientAuth.crl];
}
