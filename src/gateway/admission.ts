import type { RejectReason } from '../observe/labels.ts';
import type { SourceList } from '../policy/source-list.ts';
import type { ServiceContext } from './context.ts';

/** A place held by one connection, and what its address is counted by. */
export class Admission {
  readonly #place: ServiceContext;
  readonly #address: string | undefined;
  /** The services that count the connections of its address. */
  readonly #counting: readonly ServiceContext[];

  constructor(place: ServiceContext, address: string | undefined, counting: readonly ServiceContext[]) {
    this.#place = place;
    this.#address = address;
    this.#counting = counting;
  }

  /** Gives everything back: exactly once, unless it was transferred. */
  release(): void {
    this.#releasePlace();
    for (const service of this.#counting) service.sources.release(this.#address ?? '');
  }

  /**
   * Goes over to another service, if that admits the client as well: the place in the service before is free then. There
   * the address goes on counting, so that nobody gets more connections to a port by asking for several services. With a
   * refusal nothing has changed.
   */
  transfer(service: ServiceContext, sourceList: SourceList): Admission | RejectReason {
    const next = admit(service, sourceList, this.#address);
    if (typeof next === 'string') return next;
    this.#releasePlace();
    return new Admission(service, this.#address, [...this.#counting, ...next.#counting]);
  }

  #releasePlace(): void {
    this.#place.pool.releaseConnection(this.#place.worker);
  }
}

/**
 * Decides before the handshake, where refusing is cheap, whether a client may come in: by its address, by the places
 * the service and its address have left, by how often it came lately. `address` is undefined for a unix peer.
 */
export function admit(
  service: ServiceContext,
  sourceList: SourceList,
  address: string | undefined,
): Admission | RejectReason {
  // A denied address takes no place, not even for a moment.
  const refusal = refuseAddress(service, sourceList, address);
  if (refusal !== undefined) return refusal;
  return takePlace(service) ? admitHolder(service, sourceList, address) : 'service-limit';
}

/** Takes one of the service's places for a connection whose real address is still to be told. */
export function takePlace(service: ServiceContext): boolean {
  return service.pool.acquireConnection(service.config.limits.connections, service.worker);
}

/** As `admit`, for a connection that holds a place: it goes over to the admission, or back with a refusal. */
export function admitHolder(
  service: ServiceContext,
  sourceList: SourceList,
  address: string | undefined,
): Admission | RejectReason {
  const refusal = refuseAddress(service, sourceList, address) ?? refuseSource(service, address);
  if (refusal !== undefined) {
    service.pool.releaseConnection(service.worker);
    return refusal;
  }
  const isCounted = address !== undefined && service.config.limits.connectionsPerSource > 0;
  return new Admission(service, address, isCounted ? [service] : []);
}

function refuseAddress(
  service: ServiceContext,
  sourceList: SourceList,
  address: string | undefined,
): RejectReason | undefined {
  if (!sourceList.admits(address)) return 'denied';
  return service.blocked.admits(address) ? undefined : 'blocked';
}

function refuseSource(service: ServiceContext, address: string | undefined): RejectReason | undefined {
  if (address === undefined) return undefined;
  const { connectionsPerSource, handshakesPerSource } = service.config.limits;
  if (handshakesPerSource > 0 && !service.sources.takeHandshake(address, handshakesPerSource, sharedNowMs())) {
    return 'handshake-rate';
  }
  if (connectionsPerSource > 0 && !service.sources.acquire(address, connectionsPerSource)) return 'source-limit';
  return undefined;
}

/** `performance.now()` starts anew in each thread; this clock is the machine's. */
function sharedNowMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
