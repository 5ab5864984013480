import { CIDR } from '../cidr.ts';
import { list, orOff } from '../collection.ts';
import type {
  EnforceLevel,
  FeedQueueConfig,
  FeedsConfig,
  FeedTlsConfig,
  GuardDutyConfig,
  SmcConfig,
  SmcRetryConfig,
} from '../feed-config.ts';
import { choice, FLAG, file, integer, type Kind, text } from '../kind.ts';
import { given, key, type Mapping, mapping, optional, required, reshaped, section } from '../mapping.ts';
import { duration, HOUR_MS, MIB, MINUTE_MS, RATE, SECOND_MS, size } from '../quantity.ts';
import {
  API_VERSION,
  BLOCK_TIME,
  BROKER_URL,
  ENGINE_NAME,
  emptyable,
  filled,
  HOST,
  SEVERITY,
  SMC_ENDPOINT,
  secret,
} from './feed-kind.ts';

const MAX_NETWORKS = 10_000;
const MAX_ENGINES = 10_000;
const MAX_ENTRIES = 1_000_000;
const MAX_BODY_BYTES: number = 64 * MIB;
const DEFAULT_ENTRIES = 100_000;
const DEFAULT_RATE = 200;
const DEFAULT_PORT = 5000;
const DEFAULT_SMC_PORT = 8082;
const MAX_PORT = 65_535;

export const NETWORKS: Kind<readonly string[]> = emptyable(list(CIDR, { minimum: 0, maximum: MAX_NETWORKS }));
export const ENGINES: Kind<readonly string[]> = emptyable(list(ENGINE_NAME, { minimum: 0, maximum: MAX_ENGINES }));
export const RETRY_FIRST: Kind<number> = duration(1, HOUR_MS);
export const RETRY_MOST: Kind<number> = duration(1, 24 * HOUR_MS);

const TLS: Mapping<FeedTlsConfig> = mapping<FeedTlsConfig>({
  cert: required('cert', file(), '', 'name a PEM file, or write "tls: off" to listen without TLS'),
  key: optional('key', file(), 'in cert'),
  keyPassphraseFile: optional('key-passphrase-file', file()),
  minVersion: key('min-version', choice('TLSv1.2', 'TLSv1.3'), 'TLSv1.2'),
});

/** `feeds.guardduty`. */
export const GUARD_DUTY: Mapping<GuardDutyConfig> = mapping<GuardDutyConfig>({
  host: key('host', HOST, '0.0.0.0'),
  port: key('port', integer(0, MAX_PORT), DEFAULT_PORT),
  token: secret('token'),
  hmacKey: secret('hmac-key'),
  tls: key('tls', orOff(TLS), undefined),
  bodyLimitBytes: key('body-limit', size(1, MAX_BODY_BYTES), MIB),
  ratePerSecond: key('rate', RATE, DEFAULT_RATE),
  allowFrom: key('allow-from', NETWORKS, []),
});

const RETRY: Mapping<SmcRetryConfig> = mapping<SmcRetryConfig>({
  firstMs: key('first', RETRY_FIRST, SECOND_MS),
  mostMs: key('most', RETRY_MOST, MINUTE_MS),
  authMs: key('auth', RETRY_MOST, 5 * MINUTE_MS),
});

/** How the keys that say where the SMC is become one address. */
export function smcAddress(endpoint: string, port: number): string {
  return endpoint === '' || /:\d+$/.test(endpoint) ? endpoint : `${endpoint}:${port}`;
}

interface SmcKeys extends SmcConfig {
  readonly port: number;
}

/** `feeds.smc`. */
export const SMC: Mapping<SmcConfig> = reshaped(
  mapping<SmcKeys>({
    endpoint: required('endpoint', SMC_ENDPOINT, '', 'say where the SMC API is, such as https://smc.example'),
    port: key('port', integer(1, MAX_PORT), DEFAULT_SMC_PORT),
    apiKey: secret('api-key'),
    apiVersion: key('api-version', API_VERSION, '6.7'),
    domain: optional(
      'domain',
      filled(text({ type: 'name', expected: 'the name of a domain', pattern: /^[^\p{Cc}]{1,256}$/u })),
    ),
    ca: optional('ca', file()),
    excludeEngines: key('exclude-engines', ENGINES, []),
    timeoutMs: key('timeout', duration(10, 10 * MINUTE_MS), 30 * SECOND_MS),
    lingerMs: key('linger', duration(0, MINUTE_MS), 500),
    retry: section('retry', RETRY, RETRY.fallback),
  }),
  {
    to: ({ port, ...rest }): SmcConfig => ({ ...rest, endpoint: smcAddress(rest.endpoint, port) }),
    from: (smc) => ({ ...smc, port: DEFAULT_SMC_PORT }),
  },
);

const QUEUE: Mapping<FeedQueueConfig> = mapping<FeedQueueConfig>({
  type: key('type', choice('embedded', 'rabbitmq'), 'embedded'),
  url: secret('url', 'url-file', BROKER_URL),
  ca: optional('ca', file()),
  // What AMQP reserves begins with "amq."; the rest of the name of a queue is ours.
  name: key(
    'name',
    text({
      type: 'name',
      expected: 'letters, digits and -_. for the names of queues',
      pattern: /^(?!amq\.)[\w.-]{1,100}$/,
    }),
    'icapgw',
  ),
  relay: key('relay', FLAG, true),
});

const ENFORCE: Kind<readonly EnforceLevel[]> = list(choice('peer', 'client-ip', 'target'), { minimum: 0, maximum: 3 });

/** `feeds:` at the top level, where it is given. */
export const FEEDS: Mapping<FeedsConfig> = mapping<FeedsConfig>({
  durationMs: key('duration', BLOCK_TIME, HOUR_MS),
  enforce: key('enforce', ENFORCE, ['peer', 'client-ip', 'target']),
  blockable: key('blockable', NETWORKS, []),
  minSeverity: key('min-severity', SEVERITY, 0),
  maxEntries: key('max-entries', integer(1, MAX_ENTRIES), DEFAULT_ENTRIES),
  stateDir: optional('state-dir', file(), '$STATE_DIRECTORY, else the folder of the configuration'),
  guardDuty: given('guardduty', GUARD_DUTY),
  smc: given('smc', SMC),
  queue: section('queue', QUEUE, QUEUE.fallback),
});
