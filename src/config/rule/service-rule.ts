import { formatAddress } from '../address.ts';
import type { ServiceConfig } from '../config.ts';
import type { Place } from '../report.ts';
import { show } from '../show.ts';
import { checkPrograms } from './exec-rule.ts';
import { checkIcap } from './icap-rule.ts';
import { checkRoutes } from './route-rule.ts';

/** Keys that only the ICAP mode acts on: in a tunnel an administrator would rely on them in vain. */
const ICAP_ONLY: readonly (readonly string[])[] = [
  ['limits', 'header'],
  ['limits', 'body'],
  ['limits', 'queue'],
  ['limits', 'queue-timeout'],
  ['timeouts', 'request-header'],
  ['timeouts', 'body-idle'],
  ['timeouts', 'response'],
  ['timeouts', 'total'],
  ['retry'],
  ['retain'],
  ['when-down'],
  ['on-timeout'],
  ['on-oversize'],
  ['block-page'],
  ['routes'],
  ['bypass'],
  ['headers'],
  ['istag'],
  ['monitor-replies'],
];

/** Keys that ask for the address of a client, with whether their value asks for it at all. */
const BY_ADDRESS: readonly (readonly [key: readonly string[], isAsking: (service: ServiceConfig) => boolean])[] = [
  [['allow-from'], ({ allowFrom }) => allowFrom.length > 0],
  [['deny-from'], ({ denyFrom }) => denyFrom.length > 0],
  [['limits', 'connections-per-source'], ({ limits }) => limits.connectionsPerSource > 0],
  [['limits', 'handshakes-per-source'], ({ limits }) => limits.handshakesPerSource > 0],
  [['proxy-protocol', 'from'], ({ proxyProtocol }) => proxyProtocol.accept !== 'off' && proxyProtocol.from.length > 0],
];

/** What must hold between the keys of one service, other than TLS. */
export function checkService(service: ServiceConfig, place: Place): void {
  checkProtocol(service, place);
  checkRoutes(service, place);
  checkProxyProtocol(service, place);
  checkUnixClients(service, place);
  checkBackends(service, place);
  checkHealth(service, place);
  checkTimeouts(service, place);
  checkPrograms(service, place);
}

function checkProtocol(service: ServiceConfig, place: Place): void {
  const protocol = place.at('protocol');
  if (protocol.failed) return;
  if (service.protocol === 'icap') {
    checkIcap(service, place);
    return;
  }
  if (service.balance.policy === 'header-hash') {
    place.at('balance').error('header-hash needs protocol icap: a tunnel does not see headers; use source-hash');
  }
  for (const path of ICAP_ONLY) {
    const key = place.at(...path);
    if (key.given) key.warn('has no effect with protocol tunnel');
  }
}

function checkProxyProtocol({ proxyProtocol }: ServiceConfig, place: Place): void {
  const from = place.at('proxy-protocol', 'from');
  if (proxyProtocol.accept === 'off' || proxyProtocol.from.length > 0 || from.failed) return;
  from.error('is missing: say who may send PROXY headers, such as [10.0.0.0/8]; anybody else could forge an address');
}

// A peer on a unix socket has no address, so that rules about addresses let everybody pass who may open the file.
function checkUnixClients(service: ServiceConfig, place: Place): void {
  const unix = service.listen.find(({ kind }) => kind !== 'tcp');
  if (unix === undefined) return;
  const decision = unix.kind === 'unix' ? 'the permissions of the file (0660) decide' : 'it is that program alone';
  for (const [path, isAsking] of BY_ADDRESS) {
    const key = place.at(...path);
    if (!key.given || key.failed || !isAsking(service)) continue;
    key.warn(`has no effect on ${formatAddress(unix)}: a client there has no address, ${decision}`);
  }
}

function checkBackends({ backends }: ServiceConfig, place: Place): void {
  const lines = new Map<string, number>();
  for (const [{ name }, backend] of place.at('backends').pair(backends)) {
    const line = lines.get(name);
    if (name !== '' && line !== undefined) {
      backend.error(`the name ${show(name)} is taken by the backend in line ${line}; give one of them another name`);
    }
    lines.set(name, line ?? backend.line);
  }
  if (backends.length > 0 && backends.every((backend) => backend.weight === 0) && !place.at('backends').failed) {
    place.at('backends').error('all weights are 0, so that no backend would get a connection');
  }
}

function checkHealth(service: ServiceConfig, place: Place): void {
  const { health, backends } = service;
  const type = place.at('health', 'type');
  if (health.path !== undefined && health.type !== 'icap' && !type.failed) {
    place.at('health', 'path').warn(`has no effect with type ${health.type}; only type icap asks for a path`);
  }
  const plain = backends.find((backend) => backend.tls === undefined);
  if (health.type === 'tls' && plain !== undefined && !place.at('backends').failed) {
    type.error(`tls needs tls at every backend, and ${show(plain.name)} has none; use icap or tcp`);
  }
  if (health.deep && !type.failed) checkDeepHealth(service, place);
}

// Without a path a probe would have to guess which service scans.
function checkDeepHealth({ protocol, health, icap }: ServiceConfig, place: Place): void {
  const deep = place.at('health', 'deep');
  if (health.type !== 'icap') {
    deep.error(`sends documents, which only type icap can; type is ${health.type}`);
    return;
  }
  const hasRoutePath =
    protocol === 'icap' && icap.routes.some((route) => (route.rewritePath ?? route.path) !== undefined);
  if (health.path !== undefined || hasRoutePath || place.at('routes').failed || place.at('health', 'path').failed)
    return;
  deep.error('does not know which service to send a document to; add path, such as /reqmod');
}

function checkTimeouts({ protocol, timeouts }: ServiceConfig, place: Place): void {
  const immediate = [
    ['handshake', timeouts.handshakeMs],
    ['connect', timeouts.connectMs],
    ['idle', timeouts.idleMs],
  ] as const;
  const immediateIcap = [
    ['request-header', timeouts.requestHeaderMs],
    ['body-idle', timeouts.bodyIdleMs],
    ['response', timeouts.responseMs],
    ['total', timeouts.totalMs],
  ] as const;
  for (const [name, waitMs] of [...immediate, ...(protocol === 'icap' ? immediateIcap : [])]) {
    if (waitMs === 0) place.at('timeouts', name).warn('0s gives up at once; write never to wait without limit');
  }
}
