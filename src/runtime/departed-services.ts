import type { ServiceContext } from '../gateway/context.ts';
import type { Service } from '../gateway/service.ts';
import type { ServiceMaterial } from '../tls/service-material.ts';
import type { TicketSecret } from '../tls/ticket-keys.ts';
import { createClientTls } from './service-context.ts';

export interface Departure {
  /** The number of the last configuration it was in. */
  readonly generation: number;
  /** What it was by that configuration. */
  readonly context: ServiceContext;
  /** Which service accepts now where it did; undefined: none. */
  readonly successor: Service | undefined;
}

/**
 * The services of one worker that a later configuration left out, or calls by another name: they accept no more and
 * finish their sessions. These still end when their client loses its trust, in the files that were asked about it or in
 * the service that took their place.
 */
export class DepartedServices {
  readonly #departures: Map<Service, Departure> = new Map();
  readonly #onFailure: (error: unknown) => void;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  get services(): Iterable<Service> {
    return this.#departures.keys();
  }

  /** Takes a service over until its last session has ended, and disposes of it then. */
  add(service: Service, departure: Departure): void {
    // Who came after this one has now been followed itself.
    for (const [earlier, each] of this.#departures) {
      if (each.successor === service) this.#departures.set(earlier, { ...each, successor: departure.successor });
    }
    this.#departures.set(service, departure);
    service
      .drain()
      .then(() => service[Symbol.asyncDispose]())
      .then(() => this.#departures.delete(service), this.#onFailure);
  }

  /** What the files of a departed service hold now. */
  setMaterial(
    { generation, service: index, material }: { generation: number; service: number; material: ServiceMaterial },
    tickets: TicketSecret,
  ): void {
    for (const [service, { context, ...departure }] of this.#departures) {
      if (departure.generation !== generation || context.index !== index) continue;
      if (context.trustHash === material.policyHash) return;
      context.tls = createClientTls(context.config, material, tickets);
      context.trustHash = material.policyHash;
      service.reconsider(context);
    }
  }

  /** The service that accepts in the place of others trusts others than before. */
  successorChanged(successor: Service, context: ServiceContext): void {
    for (const [service, departure] of this.#departures) {
      if (departure.successor === successor) service.reconsider(context);
    }
  }
}
