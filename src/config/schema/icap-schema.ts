import { list, record } from '../collection.ts';
import type { FailPolicy, IcapConfig, ModMethod, RetryPolicy, RouteConfig } from '../config.ts';
import { choice, FLAG, file, type Kind, NAME, text } from '../kind.ts';
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

const WORD: Kind<string> = text({
  type: 'text',
  expected: 'a word without blanks',
  pattern: /^[^\s\p{Cc}]{1,128}$/u,
});

/** The path of an ICAP service. */
export const SERVICE_PATH: Kind<string> = text({
  type: 'path',
  expected: 'a path such as /reqmod',
  pattern: /^\/[\x21-\x7e]{0,1023}$/,
});

const METHOD: Kind<ModMethod> = choice('REQMOD', 'RESPMOD');
const FAIL_POLICY: Kind<FailPolicy> = choice('bypass', 'block', 'error', 'reset');
const RETRY: Kind<RetryPolicy> = choice('never', 'connect', 'pre-response', '5xx');
const WORDS: Kind<readonly string[]> = list(WORD, { minimum: 0, maximum: MAX_ENTRIES });
const SET_HEADERS: Kind<Readonly<Record<string, string>>> = record(HEADER_NAME, HEADER_VALUE, MAX_ENTRIES);
const RENAMED_HEADERS: Kind<Readonly<Record<string, string>>> = record(HEADER_NAME, HEADER_NAME, MAX_ENTRIES);

const ROUTE: Mapping<RouteConfig> = mapping<RouteConfig>({
  methods: key('methods', list(METHOD, { minimum: 1, maximum: 2 }), []),
  path: optional('path', SERVICE_PATH),
  backends: key('backends', list(NAME, { minimum: 1, maximum: MAX_ENTRIES }), []),
  rewritePath: optional('rewrite-path', SERVICE_PATH),
});

const BYPASS: Mapping<IcapConfig['bypass']> = mapping<IcapConfig['bypass']>({
  contentTypes: key('content-types', WORDS, []),
  fileTypes: key('file-types', WORDS, []),
  extensions: key('extensions', WORDS, []),
  urlOnlyRespmod: key('url-only-respmod', FLAG, false),
});

const HEADERS: Mapping<IcapConfig['headers']> = mapping<IcapConfig['headers']>({
  set: key('set', SET_HEADERS, {}),
  strip: key('strip', list(HEADER_NAME, { minimum: 0, maximum: MAX_ENTRIES }), []),
  map: key('map', RENAMED_HEADERS, {}),
  clientIp: key('client-ip', choice('keep', 'set'), 'keep'),
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
    routes: key('routes', list(ROUTE, { minimum: 0, maximum: MAX_ENTRIES }), []),
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
