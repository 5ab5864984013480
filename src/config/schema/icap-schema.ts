import { parseIcapUri } from '../../icap/uri.ts';
import { list, record } from '../collection.ts';
import { isFileTypeName, nearestFileType } from '../file-type-name.ts';
import type { FailPolicy, IcapConfig, ModMethod, RetryPolicy, RouteConfig } from '../icap-config.ts';
import { choice, FLAG, file, INVALID, type Kind, NAME, scalar, text } from '../kind.ts';
import { key, type Mapping, mapping, optional, reshaped, section } from '../mapping.ts';
import { KIB, MIB, size } from '../quantity.ts';

const MAX_ENTRIES = 256;

const HEADER_NAME: Kind<string> = text({
  type: 'header name',
  expected: 'a header name such as X-Client-IP',
  pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/,
});

const HEADER_VALUE: Kind<string> = text({
  type: 'text',
  expected: 'text on one line',
  pattern: /^[^\p{Cc}]{0,1024}$/u,
});

const CONTENT_TYPE: Kind<string> = text({
  type: 'MIME type',
  expected: 'a MIME type without parameters, such as video/mp4 or image/*',
  pattern: /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/(?:\*|[A-Za-z0-9][\w!#$&^.+-]{0,126})$/,
});

const FILE_TYPE: Kind<string> = scalar({
  type: 'file type',
  expected: 'a type that shows in the first bytes of a file, such as pdf, application/pdf or video/*',
  parse: (raw) => (typeof raw === 'string' && isFileTypeName(raw) ? raw : INVALID),
  write: (value) => value,
  hint(raw) {
    const meant = typeof raw === 'string' ? nearestFileType(raw) : undefined;
    return meant === undefined ? undefined : `did you mean ${meant}?`;
  },
});

const EXTENSION: Kind<string> = scalar({
  type: 'extension',
  expected: 'a file name extension without its dot, such as mp4',
  parse: (raw) => (typeof raw === 'string' && /^[^\s./\\*?#\p{Cc}]{1,32}$/u.test(raw) ? raw : INVALID),
  write: (value) => value,
  hint(raw) {
    if (typeof raw === 'number') return `put it in quotes: "${raw}"`;
    const last = typeof raw === 'string' ? /\.(\w+)$/.exec(raw)?.[1] : undefined;
    return last === undefined ? undefined : `write ${last}`;
  },
});

/** The path of an ICAP service that a probe asks for, perhaps with a query. */
export const SERVICE_PATH: Kind<string> = text({
  type: 'path',
  expected: 'a path such as /reqmod',
  pattern: /^\/[\x21\x22\x24-\x7e]{0,1023}$/,
});

const ROUTE_PATH: Kind<string> = scalar({
  type: 'path',
  expected: 'a path such as /reqmod, without a query',
  parse: (raw) => (typeof raw === 'string' && canonicalPath(raw) === raw ? raw : INVALID),
  write: (value) => value,
  hint(raw) {
    const path = typeof raw === 'string' ? canonicalPath(raw) : undefined;
    return path === undefined ? undefined : `write ${path}`;
  },
});

// Requests are compared in canonical form, so that a path in any other would never be met.
function canonicalPath(path: string): string | undefined {
  if (!/^\/[\x21-\x7e]{0,1023}$/.test(path)) return undefined;
  return parseIcapUri(`icap://host${path}`, 0).path;
}

const METHOD: Kind<ModMethod> = choice('REQMOD', 'RESPMOD');
const FAIL_POLICY: Kind<FailPolicy> = choice('bypass', 'block', 'error', 'reset');
const RETRY: Kind<RetryPolicy> = choice('never', 'connect', 'pre-response', '5xx');
const MANY = { minimum: 0, maximum: MAX_ENTRIES };
const SET_HEADERS: Kind<Readonly<Record<string, string>>> = record(HEADER_NAME, HEADER_VALUE, MAX_ENTRIES);
const RENAMED_HEADERS: Kind<Readonly<Record<string, string>>> = record(HEADER_NAME, HEADER_NAME, MAX_ENTRIES);

const ROUTE: Mapping<RouteConfig> = mapping<RouteConfig>({
  methods: key('methods', list(METHOD, { minimum: 1, maximum: 2 }), []),
  path: optional('path', ROUTE_PATH),
  backends: key('backends', list(NAME, { minimum: 1, maximum: MAX_ENTRIES }), []),
  rewritePath: optional('rewrite-path', ROUTE_PATH),
});

const BYPASS: Mapping<IcapConfig['bypass']> = mapping<IcapConfig['bypass']>({
  contentTypes: key('content-types', list(CONTENT_TYPE, MANY), []),
  fileTypes: key('file-types', list(FILE_TYPE, MANY), []),
  extensions: key('extensions', list(EXTENSION, MANY), []),
  urlOnlyRespmod: key('url-only-respmod', FLAG, false),
});

const HEADERS: Mapping<IcapConfig['headers']> = mapping<IcapConfig['headers']>({
  set: key('set', SET_HEADERS, {}),
  strip: key('strip', list(HEADER_NAME, MANY), []),
  map: key('map', RENAMED_HEADERS, {}),
  clientIp: key('client-ip', choice('keep', 'set'), 'keep'),
  correlation: optional('correlation', HEADER_NAME),
});

interface IcapKeys extends Omit<IcapConfig, 'onTimeout' | 'onOversize'> {
  readonly onTimeout: FailPolicy | undefined;
  readonly onOversize: FailPolicy | undefined;
}

/** The keys of a service that only `protocol: icap` uses; they stand at the level of the service. */
export const ICAP: Mapping<IcapConfig> = reshaped(
  mapping<IcapKeys>({
    retry: key('retry', RETRY, 'pre-response'),
    retainBytes: key('retain', size(0, 64 * MIB), 256 * KIB),
    whenDown: key('when-down', FAIL_POLICY, 'error'),
    onTimeout: optional('on-timeout', FAIL_POLICY, 'as when-down'),
    onOversize: optional('on-oversize', FAIL_POLICY, 'as when-down'),
    blockPage: optional('block-page', file(), 'a page of our own'),
    routes: key('routes', list(ROUTE, MANY), []),
    bypass: section('bypass', BYPASS, BYPASS.fallback),
    headers: section('headers', HEADERS, HEADERS.fallback),
    istag: key('istag', choice('aggregate', 'passthrough'), 'aggregate'),
    monitorReplies: key('monitor-replies', FLAG, true),
  }),
  {
    to: (keys): IcapConfig => ({
      ...keys,
      onTimeout: keys.onTimeout ?? keys.whenDown,
      onOversize: keys.onOversize ?? keys.whenDown,
    }),
    from: (config) => ({
      ...config,
      onTimeout: config.onTimeout === config.whenDown ? undefined : config.onTimeout,
      onOversize: config.onOversize === config.whenDown ? undefined : config.onOversize,
    }),
  },
);
