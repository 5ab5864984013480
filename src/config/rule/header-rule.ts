import type { ServiceConfig } from '../config.ts';
import type { IcapConfig } from '../icap-config.ts';
import type { Place } from '../report.ts';
import type { Settings } from '../schema/root-schema.ts';

/** What the gateway writes itself in every message, because the framing depends on it. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'allow',
  'connection',
  'content-length',
  'encapsulated',
  'host',
  'keep-alive',
  'preview',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Have a meaning of their own, in requests or in answers, that an id would destroy. */
const MEANT_OTHERWISE: ReadonlySet<string> = new Set([
  ...OWN_HEADERS,
  'authorization',
  'istag',
  'options-ttl',
  'proxy-authorization',
  'traceparent',
  'tracestate',
  'x-authenticated-user',
  'x-client-ip',
]);

/** What must hold between the keys of `headers`. */
export function checkHeaders({ icap }: ServiceConfig, place: Place): void {
  const headers = place.at('headers');
  const { correlation } = icap.headers;
  if (correlation !== undefined && MEANT_OTHERWISE.has(correlation.toLowerCase())) {
    headers.at('correlation').error(`${correlation} has a meaning of its own; use another header such as X-Request-ID`);
  }
  for (const [name, entry] of namesOf(icap.headers, headers)) {
    if (OWN_HEADERS.has(name.toLowerCase())) {
      entry.error(`${name} is written by the gateway itself; remove it here`);
    } else if (name.toLowerCase() === correlation?.toLowerCase()) {
      entry.error(`${name} is written by the gateway itself, because of headers.correlation; remove it here`);
    }
  }
}

/** While transactions are traced, the headers that carry a trace are the gateway's own. */
export function checkTracing({ tracing, services }: Settings, root: Place): void {
  if (tracing.otlp === undefined) return;
  for (const [service, place] of root.at('services').pair(services)) {
    for (const [name, entry] of namesOf(service.icap.headers, place.at('headers'))) {
      if (!/^trace(?:parent|state)$/i.test(name)) continue;
      entry.error(`${name} is written by the gateway itself, because of tracing.otlp; remove it here`);
    }
  }
  if (services.length > 0 && services.every(({ protocol }) => protocol === 'tunnel')) {
    root.at('tracing').warn('has no effect: no service has protocol: icap');
  }
}

function namesOf(headers: IcapConfig['headers'], place: Place): readonly (readonly [name: string, place: Place])[] {
  return [
    ...Object.keys(headers.set).map((name) => [name, place.at('set', name)] as const),
    ...headers.strip.map((name) => [name, place.at('strip')] as const),
    ...Object.entries(headers.map).flatMap(([from, to]) => {
      const entry = place.at('map', from);
      return [[from, entry] as const, [to, entry] as const];
    }),
  ];
}
