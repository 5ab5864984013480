import type { LimitsConfig } from '../config/config.ts';
import type { RejectReason } from '../observe/labels.ts';
import type { SourceList } from '../policy/source-list.ts';
import type { ServiceContext } from './context.ts';

/** A place held by one connection; given back exactly once. */
export interface Admission {
  release(): void;
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
  const { limits } = service.config;
  if (!sourceList.admits(address)) return 'denied';
  if (!service.pool.acquireConnection(limits.connections, service.worker)) return 'service-limit';
  const refusal = address === undefined ? undefined : refuseSource(service, limits, address);
  if (refusal !== undefined) {
    service.pool.releaseConnection(service.worker);
    return refusal;
  }
  return {
    release() {
      service.pool.releaseConnection(service.worker);
      if (address !== undefined && limits.connectionsPerSource > 0) service.sources.release(address);
    },
  };
}

function refuseSource(service: ServiceContext, limits: LimitsConfig, address: string): RejectReason | undefined {
  const { connectionsPerSource, handshakesPerSource } = limits;
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
