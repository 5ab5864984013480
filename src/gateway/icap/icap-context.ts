import type { IcapLimits } from '../../icap/limits.ts';
import { DEFAULT_ICAP_LIMITS } from '../../icap/limits.ts';
import { createRequestFields, type OutgoingRequest } from '../../icap/request-fields.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { type BlockPage, createBlockPage } from '../../policy/block-page.ts';
import { type BypassRules, createBypassRules } from '../../policy/bypass-rules.ts';
import { createRouter, type Router } from '../../policy/route.ts';
import type { ServiceContext } from '../context.ts';
import { BackendConnections } from './backend-connections.ts';
import { BackendLedger } from './backend-ledger.ts';
import { BackendQueue } from './backend-queue.ts';
import { type Correlator, createCorrelator } from './correlation.ts';
import { OptionsView } from './options-view.ts';

/** What the sessions of one ICAP service in one worker share besides what a tunnel has. */
export interface IcapContext {
  readonly service: ServiceContext;
  readonly limits: IcapLimits;
  readonly connections: BackendConnections;
  readonly queue: BackendQueue;
  readonly ledger: BackendLedger;
  readonly options: OptionsView;
  readonly route: Router;
  readonly bypass: BypassRules | undefined;
  readonly blockPage: BlockPage;
  readonly correlator: Correlator;
  readonly requestFields: (head: RequestHead, out: OutgoingRequest) => string;
}

/** Compiles what the configuration says of ICAP. */
export function createIcapContext(service: ServiceContext): IcapContext {
  const { icap, limits, backends } = service.config;
  const icapLimits = { ...DEFAULT_ICAP_LIMITS, headBytes: limits.headerBytes };
  const connections = new BackendConnections(service, icapLimits);
  const correlator = createCorrelator(icap.headers.correlation, service.events.traceSample);
  return {
    service,
    limits: icapLimits,
    connections,
    queue: new BackendQueue(service, connections),
    ledger: new BackendLedger(service),
    options: new OptionsView(service),
    route: createRouter(
      icap.routes,
      backends.map(({ name }) => name),
    ),
    bypass: createBypassRules(icap.bypass),
    blockPage: createBlockPage(service.blockPage),
    correlator,
    requestFields: createRequestFields({ ...icap.headers, own: correlator.ownFields }),
  };
}
