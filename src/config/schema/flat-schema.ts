import type { LogLevel } from '../config.ts';
import type { FeedQueueConfig, FeedsConfig, GuardDutyConfig, SecretConfig, SmcConfig } from '../feed-config.ts';
import { file, INVALID, type Kind, scalar } from '../kind.ts';
import { key, type Mapping, mapping, optional, required, reshaped } from '../mapping.ts';
import { SECOND_MS } from '../quantity.ts';
import {
  API_VERSION,
  BROKER_URL,
  filled,
  HOST,
  MAX_BLOCK_MS,
  NO_SECRET,
  SECRET,
  SMC_ENDPOINT,
  secret,
} from './feed-kind.ts';
import { ENGINES, FEEDS, GUARD_DUTY, NETWORKS, RETRY_FIRST, RETRY_MOST, SMC, smcAddress } from './feed-schema.ts';
import { CONNECTOR_ROOT, type Settings } from './root-schema.ts';

const MAX_PORT = 65_535;

const LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  notice: 'notice',
  warning: 'warning',
  warn: 'warning',
  error: 'error',
  critical: 'error',
};

/** The names of levels in Python, however they are written. */
const LEVEL: Kind<LogLevel> = filled(
  scalar({
    type: 'debug | info | notice | warning | error',
    expected: 'debug, info, notice, warning or error',
    parse: (raw) => (typeof raw === 'string' ? (LEVELS[raw.toLowerCase()] ?? INVALID) : INVALID),
    write: (level) => level,
  }),
);

/** A whole number, also one in quotes. */
function number(minimum: number, maximum: number): Kind<number> {
  return filled(
    scalar({
      type: 'number',
      expected: `a whole number from ${minimum} to ${maximum}`,
      parse(raw) {
        const value = typeof raw === 'string' && /^\d{1,12}$/.test(raw) ? Number(raw) : raw;
        return typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum
          ? value
          : INVALID;
      },
      write: (value) => value,
    }),
  );
}

/** Seconds, or a duration with its unit. */
function seconds(inner: Kind<number>): Kind<number> {
  return filled({
    ...inner,
    type: 'seconds | duration',
    read: (raw, place) =>
      inner.read(typeof raw === 'number' || /^\d+$/.test(String(raw)) ? `${String(raw)}s` : raw, place),
  });
}

interface FlatKeys {
  readonly host: string;
  readonly port: number;
  readonly level: LogLevel;
  readonly endpoint: string;
  readonly smcPort: number;
  readonly apiKey: SecretConfig;
  readonly apiVersion: string;
  readonly durationSeconds: number;
  readonly excludeEngines: readonly string[];
  readonly logFile: string;
  readonly ca: string | undefined;
  readonly token: SecretConfig;
  readonly hmacKeyFile: string | undefined;
  readonly stateDir: string | undefined;
  readonly queueUrl: string | undefined;
  readonly blockable: readonly string[];
  readonly retryFirstMs: number;
  readonly retryMostMs: number;
}

const FLAT_KEYS: Mapping<FlatKeys> = mapping<FlatKeys>({
  host: key('host', HOST, '0.0.0.0'),
  port: key('port', number(0, MAX_PORT), 5000),
  level: key('log_level', LEVEL, 'info'),
  endpoint: required('smc_endpoint', SMC_ENDPOINT, '', 'say where the SMC API is, such as https://192.0.2.10'),
  smcPort: key('smc_port', number(1, MAX_PORT), 8082),
  apiKey: secret('smc_api_key', 'smc_api_key_file', SECRET),
  apiVersion: key('smc_api_version', API_VERSION, '6.7'),
  durationSeconds: key('blacklist_duration', number(1, MAX_BLOCK_MS / SECOND_MS), 3600),
  excludeEngines: key('exclude_engines', ENGINES, []),
  logFile: key('log_file', filled(file('-')), '-'),
  ca: optional('smc_ca', filled(file())),
  token: secret('token', 'token_file'),
  hmacKeyFile: optional('hmac_key_file', filled(file())),
  stateDir: optional('state_dir', filled(file())),
  queueUrl: optional('queue_url', BROKER_URL),
  blockable: key('blockable', NETWORKS, []),
  retryFirstMs: key('retry_first', seconds(RETRY_FIRST), SECOND_MS),
  retryMostMs: key('retry_most', seconds(RETRY_MOST), 60 * SECOND_MS),
});

/** The flat file of the connector's guide, which says what `log` and `feeds` say in ours. */
export const FLAT: Mapping<Settings> = reshaped(FLAT_KEYS, { to: toSettings, from: fromSettings });

/** Whether plain data is that flat file, or was meant to be: a mistyped `smc_endpoint` is a mistake in such a file. */
export function looksFlat(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const keys = Object.keys(value);
  if (keys.includes('smc_endpoint')) return true;
  return keys.some((name) => name.startsWith('smc_')) && !keys.includes('feeds') && !keys.includes('services');
}

function toSettings(flat: FlatKeys): Settings {
  const defaults = CONNECTOR_ROOT.fallback;
  const guardDuty: GuardDutyConfig = {
    ...GUARD_DUTY.fallback,
    host: flat.host,
    port: flat.port,
    token: flat.token,
    hmacKey: { ...NO_SECRET, file: flat.hmacKeyFile },
  };
  const smc: SmcConfig = {
    ...SMC.fallback,
    endpoint: smcAddress(flat.endpoint, flat.smcPort),
    apiKey: flat.apiKey,
    apiVersion: flat.apiVersion,
    ca: flat.ca,
    excludeEngines: flat.excludeEngines,
    retry: { ...SMC.fallback.retry, firstMs: flat.retryFirstMs, mostMs: flat.retryMostMs },
  };
  const queue: FeedQueueConfig = {
    ...FEEDS.fallback.queue,
    type: flat.queueUrl === undefined ? 'embedded' : 'rabbitmq',
    url: { ...NO_SECRET, value: flat.queueUrl },
  };
  const feeds: FeedsConfig = {
    ...FEEDS.fallback,
    durationMs: flat.durationSeconds * SECOND_MS,
    blockable: flat.blockable,
    stateDir: flat.stateDir,
    guardDuty,
    smc,
    queue,
  };
  return { ...defaults, log: { ...defaults.log, level: flat.level, file: flat.logFile }, feeds };
}

function fromSettings({ log, feeds = FEEDS.fallback }: Settings): FlatKeys {
  const { guardDuty = GUARD_DUTY.fallback, smc = SMC.fallback, queue } = feeds;
  return {
    host: guardDuty.host,
    port: guardDuty.port,
    level: log.level,
    endpoint: smc.endpoint,
    smcPort: FLAT_KEYS.fallback.smcPort,
    apiKey: smc.apiKey,
    apiVersion: smc.apiVersion,
    durationSeconds: feeds.durationMs / SECOND_MS,
    excludeEngines: smc.excludeEngines,
    logFile: log.file,
    ca: smc.ca,
    token: guardDuty.token,
    hmacKeyFile: guardDuty.hmacKey.file,
    stateDir: feeds.stateDir,
    queueUrl: queue.url.value,
    blockable: feeds.blockable,
    retryFirstMs: smc.retry.firstMs,
    retryMostMs: smc.retry.mostMs,
  };
}
