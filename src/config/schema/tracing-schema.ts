import { orOff } from '../collection.ts';
import type { TracingConfig } from '../config.ts';
import { INVALID, type Kind, scalar } from '../kind.ts';
import { key, type Mapping, mapping } from '../mapping.ts';

/** What exporters append to the address of a collector. */
const TRACES_PATH = '/v1/traces';

const COLLECTOR: Kind<string> = scalar({
  type: 'URL',
  expected: 'the address of an OTLP/HTTP collector such as http://127.0.0.1:4318',
  parse(raw) {
    const url = typeof raw === 'string' ? URL.parse(raw) : null;
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return INVALID;
    if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return INVALID;
    return url.pathname.replace(/\/$/, '').endsWith(TRACES_PATH) ? INVALID : String(raw).replace(/\/$/, '');
  },
  write: (url) => url,
  hint(raw) {
    if (typeof raw !== 'string') return undefined;
    if (/^[\w.-]+:4317$|:\/\/[^/]*:4317\/?$/.test(raw)) return '4317 is for gRPC; write the port for HTTP, 4318';
    if (raw.replace(/\/$/, '').endsWith(TRACES_PATH)) return `leave out ${TRACES_PATH}`;
    if (URL.parse(raw)?.username)
      return 'leave out the credentials; an OpenTelemetry collector on this machine can add them';
    return /^[\w.-]+:\d+$/.test(raw) ? `write http://${raw}` : undefined;
  },
});

const RATIO: Kind<number> = scalar({
  type: 'number',
  expected: 'a number from 0 to 1, such as 0.05 for one in twenty',
  parse: (raw) => (typeof raw === 'number' && raw >= 0 && raw <= 1 ? raw : INVALID),
  write: (ratio) => ratio,
  hint: (raw) =>
    typeof raw === 'string' && /^\d{1,3}%$/.test(raw) ? `write ${Number.parseInt(raw, 10) / 100}` : undefined,
});

/** `tracing:` at the top level. */
export const TRACING: Mapping<TracingConfig> = mapping<TracingConfig>({
  otlp: key('otlp', orOff(COLLECTOR), undefined),
  sample: key('sample', RATIO, 1),
});
