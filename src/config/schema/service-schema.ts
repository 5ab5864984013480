import { LISTEN_ADDRESS, OWN_HOST } from '../address.ts';
import { CIDR } from '../cidr.ts';
import { converted, list, orOff } from '../collection.ts';
import type {
  BalanceConfig,
  HealthConfig,
  LimitsConfig,
  OutliersConfig,
  ProxyProtocolConfig,
  ServiceConfig,
  SniConfig,
  SocketConfig,
  TimeoutsConfig,
} from '../config.ts';
import { alternatives, choice, FLAG, INVALID, integer, type Kind, NAME, scalar } from '../kind.ts';
import {
  inline,
  key,
  type Mapping,
  mapping,
  optional,
  required,
  requiredUnless,
  section,
  unwritten,
} from '../mapping.ts';
import {
  DAY_MS,
  duration,
  GIB,
  HOUR_MS,
  KIB,
  MIB,
  MINUTE_MS,
  PERCENTAGE,
  RATE,
  SECOND_MS,
  size,
  WAIT,
} from '../quantity.ts';
import { SERVER_NAME } from '../server-name.ts';
import { nearest } from '../suggestion.ts';
import { BACKEND } from './backend-schema.ts';
import { ICAP, SERVICE_PATH } from './icap-schema.ts';
import { LOG_LEVEL } from './log-schema.ts';
import { SERVICE_TLS } from './tls-schema.ts';

const MAX_BACKENDS = 256;
const MAX_LISTENERS = 64;
const MAX_NAMES = 256;
const MAX_COUNT = 1_000_000;

const NETWORKS: Kind<readonly string[]> = list(CIDR, { minimum: 0, maximum: 10_000 });
const PROXY_VERSION: Kind<'off' | 'v1' | 'v2'> = choice('off', 'v1', 'v2');

const POLICIES = ['round-robin', 'least-connections', 'random-two', 'source-hash'] as const;
const HEADER_HASH = /^header-hash:([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})$/;

const BALANCE: Kind<BalanceConfig> = scalar({
  type: `${POLICIES.join(' | ')} | header-hash:NAME`,
  expected: alternatives([...POLICIES, 'header-hash:NAME']),
  parse(raw) {
    const policy = POLICIES.find((word) => word === raw);
    if (policy !== undefined) return { policy, header: undefined };
    const header = typeof raw === 'string' ? HEADER_HASH.exec(raw)?.[1] : undefined;
    return header === undefined ? INVALID : { policy: 'header-hash', header };
  },
  write: ({ policy, header }) => (header === undefined ? policy : `${policy}:${header}`),
  hint(raw) {
    const word = typeof raw === 'string' ? nearest(raw, POLICIES) : undefined;
    return word === undefined ? undefined : `did you mean ${word}?`;
  },
});

const PROXY_PROTOCOL: Mapping<ProxyProtocolConfig> = mapping<ProxyProtocolConfig>({
  accept: key('accept', PROXY_VERSION, 'off'),
  from: key('from', NETWORKS, []),
  send: key('send', PROXY_VERSION, 'off'),
});

const SNI: Mapping<SniConfig> = mapping<SniConfig>({
  of: required('of', NAME, '', 'name the service that listens for this one'),
  names: required(
    'names',
    list(SERVER_NAME, { minimum: 1, maximum: MAX_NAMES }),
    [],
    'say what names lead to this service',
  ),
});

const LIMITS: Mapping<LimitsConfig> = mapping<LimitsConfig>({
  connections: key('connections', integer(1, MAX_COUNT), 2000),
  connectionsPerSource: key('connections-per-source', integer(0, MAX_COUNT), 0),
  handshakesPerSource: key('handshakes-per-source', RATE, 0),
  headerBytes: key('header', size(KIB, MIB), 64 * KIB),
  bodyBytes: key('body', size(0, 1024 * GIB), 0),
  queue: key('queue', integer(0, MAX_COUNT), 1000),
  queueTimeoutMs: key('queue-timeout', duration(0, HOUR_MS), 5 * SECOND_MS),
});

const TIMEOUTS: Mapping<TimeoutsConfig> = mapping<TimeoutsConfig>({
  handshakeMs: key('handshake', WAIT, 10 * SECOND_MS),
  connectMs: key('connect', WAIT, 10 * SECOND_MS),
  requestHeaderMs: key('request-header', WAIT, 30 * SECOND_MS),
  bodyIdleMs: key('body-idle', WAIT, 60 * SECOND_MS),
  responseMs: key('response', WAIT, 300 * SECOND_MS),
  idleMs: key('idle', WAIT, 12 * HOUR_MS),
  closeMs: key('close', WAIT, 60 * SECOND_MS),
  totalMs: key('total', WAIT, HOUR_MS),
});

const DEEP: Kind<boolean> = converted(choice('off', 'on'), {
  to: (word) => word === 'on',
  from: (value) => (value ? 'on' : 'off'),
});

const HEALTH: Mapping<HealthConfig> = mapping<HealthConfig>({
  type: key('type', choice('icap', 'tcp', 'tls', 'none'), 'icap'),
  path: optional('path', SERVICE_PATH),
  intervalMs: key('interval', duration(10, DAY_MS), 5 * SECOND_MS),
  timeoutMs: key('timeout', duration(10, HOUR_MS), 2 * SECOND_MS),
  rise: key('rise', integer(1, 100), 2),
  fall: key('fall', integer(1, 100), 3),
  jitter: key('jitter', PERCENTAGE, 0.1),
  deep: key('deep', DEEP, false),
});

const OUTLIERS: Mapping<OutliersConfig> = mapping<OutliersConfig>({
  consecutiveFailures: key('consecutive-failures', integer(0, 1000), 5),
  ejectMs: key('eject', duration(10, DAY_MS), 30 * SECOND_MS),
  maxEjected: key('max-ejected', PERCENTAGE, 0.5),
});

const SOCKETS: Mapping<SocketConfig> = mapping<SocketConfig>({
  clientNoDelay: key('client-no-delay', FLAG, true),
  backendNoDelay: key('backend-no-delay', FLAG, true),
  keepAliveMs: key('keep-alive', orOff(duration(SECOND_MS, DAY_MS)), MINUTE_MS),
  ipv6Only: key('ipv6-only', FLAG, false),
  localAddress: optional('local-address', OWN_HOST),
  reset: key('reset', FLAG, true),
});

/** One item of `services:`. */
export const SERVICE: Mapping<ServiceConfig> = mapping<ServiceConfig>({
  name: required('name', NAME, '', 'logs and metrics call the service by it'),
  redirectOf: unwritten(undefined),
  listen: requiredUnless(
    'sni',
    'listen',
    list(LISTEN_ADDRESS, { minimum: 1, maximum: MAX_LISTENERS }),
    'say where clients connect, such as 0.0.0.0:11344',
  ),
  listenRequire: key('listen-require', choice('all', 'any'), 'all'),
  execRestartMs: key('exec-restart', orOff(duration(10, DAY_MS)), undefined),
  sni: optional('sni', SNI),
  logLevel: optional('log-level', LOG_LEVEL, 'as log.level'),
  protocol: key('protocol', choice('icap', 'tunnel'), 'icap'),
  tls: section('tls', orOff(SERVICE_TLS), undefined),
  allowFrom: key('allow-from', NETWORKS, []),
  denyFrom: key('deny-from', NETWORKS, []),
  proxyProtocol: section('proxy-protocol', PROXY_PROTOCOL, PROXY_PROTOCOL.fallback),
  limits: section('limits', LIMITS, LIMITS.fallback),
  timeouts: section('timeouts', TIMEOUTS, TIMEOUTS.fallback),
  balance: key('balance', BALANCE, { policy: 'round-robin', header: undefined }),
  backends: required(
    'backends',
    list(BACKEND, { minimum: 1, maximum: MAX_BACKENDS }),
    [],
    'list at least one ICAP server, such as "- address: 10.0.0.5:1344"',
  ),
  health: section('health', HEALTH, HEALTH.fallback),
  outliers: section('outliers', OUTLIERS, OUTLIERS.fallback),
  slowStartMs: key('slow-start', duration(0, DAY_MS), 0),
  sockets: section('sockets', SOCKETS, SOCKETS.fallback),
  icap: inline(ICAP),
});
