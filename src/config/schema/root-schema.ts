import { list } from '../collection.ts';
import type { BlockListConfig, Config, ResolverConfig, ServiceConfig } from '../config.ts';
import { file, INVALID, type Kind, scalar } from '../kind.ts';
import { given, type Key, type Keys, key, type Mapping, mapping, optional, required, section } from '../mapping.ts';
import { NAME_SERVER } from '../name-server.ts';
import { duration, SECOND_MS } from '../quantity.ts';
import { FEEDS, NETWORKS } from './feed-schema.ts';
import { ADMIN, LOG } from './log-schema.ts';
import { SERVICE } from './service-schema.ts';
import { TRACING } from './tracing-schema.ts';

/** Everything a document can say, whichever machine and file it is read on. */
export interface Settings extends Omit<Config, 'file' | 'format' | 'workers'> {
  readonly workers: number | 'auto';
}

const MAX_SERVICES = 256;
const MAX_NAME_SERVERS = 8;

const MAX_WORKERS = 256;

const WORKERS: Kind<number | 'auto'> = scalar<number | 'auto'>({
  type: 'auto | number',
  expected: `auto or a whole number from 1 to ${MAX_WORKERS}`,
  parse(raw) {
    if (raw === 'auto') return raw;
    return typeof raw === 'number' && Number.isInteger(raw) && raw >= 1 && raw <= MAX_WORKERS ? raw : INVALID;
  },
  write: (workers) => workers,
});

// The highest number is what the system calls "no change".
const MAX_ACCOUNT = 0xff_ff_ff_fe;

const ACCOUNT: Kind<string> = scalar({
  type: 'name | number',
  expected: 'the name or the number of an account of this machine',
  parse(raw) {
    const written = typeof raw === 'number' ? String(raw) : raw;
    if (typeof written !== 'string') return INVALID;
    if (/^\d+$/.test(written)) return Number(written) <= MAX_ACCOUNT ? written : INVALID;
    return /^[^-\s:\p{Cc}][^\s:\p{Cc}]{0,255}$/u.test(written) && typeof raw === 'string' ? written : INVALID;
  },
  write: (account) => (/^(?:0|[1-9]\d*)$/.test(account) ? Number(account) : account),
});

const BLOCK_LIST: Mapping<BlockListConfig> = mapping<BlockListConfig>({
  file: optional('file', file()),
  allow: key('allow', NETWORKS, []),
});

const RESOLVER: Mapping<ResolverConfig> = mapping<ResolverConfig>({
  servers: key('servers', list(NAME_SERVER, { minimum: 0, maximum: MAX_NAME_SERVERS }), []),
});

function rootKeys(services: Key<readonly ServiceConfig[]>): Keys<Settings> {
  return {
    log: section('log', LOG, LOG.fallback),
    admin: section('admin', ADMIN, ADMIN.fallback),
    workers: key('workers', WORKERS, 'auto'),
    drainDelayMs: key('drain-delay', duration(0), 0),
    drainTimeoutMs: key('drain-timeout', duration(0), 30 * SECOND_MS),
    resolver: section('resolver', RESOLVER, RESOLVER.fallback),
    tracing: section('tracing', TRACING, TRACING.fallback),
    pidFile: optional('pid-file', file()),
    setuid: optional('setuid', ACCOUNT),
    setgid: optional('setgid', ACCOUNT),
    services,
    feeds: given('feeds', FEEDS),
    blockList: section('block-list', BLOCK_LIST, BLOCK_LIST.fallback),
  };
}

/** The whole document. */
export const ROOT: Mapping<Settings> = mapping<Settings>(
  rootKeys(required('services', list(SERVICE, { minimum: 1, maximum: MAX_SERVICES }), [], 'list at least one service')),
);

/** The whole document of a process that runs the threat feed alone: what it says of services is checked, and not run. */
export const CONNECTOR_ROOT: Mapping<Settings> = mapping<Settings>(
  rootKeys(key('services', list(SERVICE, { minimum: 0, maximum: MAX_SERVICES }), [])),
);
