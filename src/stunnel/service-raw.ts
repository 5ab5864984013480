import type { RawPath } from '../config/raw.ts';
import { putClientAuth } from './client-auth.ts';
import type { ServiceDraft } from './draft.ts';
import type { Override } from './override.ts';
import type { Place, Placed } from './place.ts';
import { type Put, putList } from './put.ts';
import type { RawBuilder } from './raw-builder.ts';
import { quote, type Report } from './report.ts';
import { readVersionRange } from './tls-version.ts';

/** One section, read to its end. */
export interface Section {
  readonly name: string;
  readonly place: Place;
  readonly draft: ServiceDraft;
  readonly overrides: readonly Placed<Override>[];
}

/** What stunnel does when nothing is said and icapgw's own defaults differ. */
const STUNNEL_DEFAULTS: Readonly<Record<string, unknown>> = {
  'tls.ciphers': 'HIGH:!aNULL:!SSLv2:!DH:!kDHEPSK',
  'tls.ciphersuites': 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
  'tls.security-level': 2,
  'tls.session-timeout': '300s',
  'timeouts.handshake': '300s',
  'timeouts.connect': '10s',
  'timeouts.close': '60s',
  'timeouts.idle': '12h',
};

const VERSION_OPTIONS = ['sslversion', 'sslversionmin', 'sslversionmax', 'options', 'config'];

/** Writes a section as the service at `at`. */
export function putService(section: Section, at: RawPath, builder: RawBuilder, report: Report): void {
  const { draft } = section;
  const put: Put = (key, value, place) => {
    builder.set([...at, ...key.split('.')], value, place?.rootLine ?? 0);
  };
  builder.set(at, {}, section.place.rootLine);
  put('name', section.name, section.place);
  putList('listen', draft.accept, put);
  put('protocol', draft.protocol, draft.mentioned.get('protocol'));
  for (const [key, value] of Object.entries(STUNNEL_DEFAULTS)) put(key, value);
  for (const [key, { value, place }] of draft.values) put(key, value, place);
  putSwitches(draft, put);
  putVersions(section, put, report);
  putClientAuth(draft, section.place, put, report);
  putBackends(draft, put);
  putKeepAlive(draft, put);
  // A tunnel may carry anything; only where ICAP is promised may a probe speak it.
  if (protocolOf(section) === 'tunnel') put('health.type', 'tcp');
  for (const override of section.overrides) putOverride(override, at, builder, report);
}

/** Writes `icapgw.KEY = VALUE` below `at`, over whatever is there. */
export function putOverride(override: Placed<Override>, at: RawPath, builder: RawBuilder, report: Report): void {
  const { path, value } = override.value;
  const problem = builder.set([...at, ...path], value, override.place.rootLine);
  if (problem !== undefined) report.error(override.place, `icapgw.${path.join('.')}: ${problem}`);
}

/** Whether a section has what no service can do without. What is missing has been, or is now, reported. */
export function isComplete(section: Section, report: Report): boolean {
  const { draft, name, place } = section;
  const missing = [
    draft.accept.length === 0 && !overrides(section, ['listen']) ? 'accept' : undefined,
    draft.connect.length === 0 && !overrides(section, ['backends']) ? 'connect' : undefined,
    !draft.values.has('tls.cert') && !overrides(section, ['tls', 'cert']) ? 'cert' : undefined,
  ].filter((option) => option !== undefined);
  const untold = missing.filter((option) => !draft.mentioned.has(option));
  const endpoints = untold.filter((option) => option !== 'cert');
  if (endpoints.length > 0) {
    report.error(
      place,
      `service ${quote(name)}: no ${endpoints.join(' and no ')}; a section needs both accept and connect`,
    );
  }
  if (untold.includes('cert')) {
    report.error(
      place,
      `service ${quote(name)}: no cert; name a PEM file with the certificate (icapgw gen-cert makes one)`,
    );
  }
  return missing.length === 0;
}

/** Whether an `icapgw.` line sets a key or the whole of what it is part of. */
function overrides(section: Section, key: RawPath): boolean {
  return section.overrides.some(
    ({ value: { path } }) => path.length <= key.length && path.every((part, i) => part === key[i]),
  );
}

function putSwitches(draft: ServiceDraft, put: Put): void {
  const isOn = (name: string) => draft.switchedOn.has(name) && !draft.switchedOff.has(name);
  put('tls.server-cipher-preference', isOn('CIPHER_SERVER_PREFERENCE'), draft.mentioned.get('options'));
  if (isOn('NO_TICKET')) put('tls.session-tickets', false, draft.mentioned.get('options'));
}

function putVersions(section: Section, put: Put, report: Report): void {
  const { draft, place } = section;
  const range = readVersionRange(draft);
  const last = VERSION_OPTIONS.map((name) => draft.mentioned.get(name))
    .filter((mention) => mention !== undefined)
    .toSorted((a, b) => b.order - a.order)[0];
  if ('problem' in range) {
    report.error(last ?? place, range.problem);
    return;
  }
  put('tls.min-version', range.min, last);
  put('tls.max-version', range.max, last);
}

function putBackends(draft: ServiceDraft, put: Put): void {
  const backends = Map.groupBy(draft.connect, (endpoint) => endpoint.value);
  if (backends.size === 0) return;
  put('backends', [], draft.connect[0]?.place);
  for (const [index, [address, lines]] of [...backends].entries()) {
    const place = lines[0]?.place;
    put(`backends.${index}`, { address }, place);
    if (backends.size === 1) continue;
    if (!draft.roundRobin) put(`backends.${index}.priority`, index, place);
    else if (lines.length > 1) put(`backends.${index}.weight`, lines.length, place);
  }
  if (backends.size > 1) put('balance', 'round-robin', draft.mentioned.get('failover'));
}

function putKeepAlive(draft: ServiceDraft, put: Put): void {
  if (draft.keepAlive.size === 0) return;
  const isWanted = [...draft.keepAlive.values()].includes(true);
  put('sockets.keep-alive', isWanted ? `${draft.keepAliveIdleSeconds}s` : 'off', draft.mentioned.get('socket'));
}

function protocolOf(section: Section): unknown {
  const override = section.overrides.findLast(({ value }) => value.path.join('.') === 'protocol');
  return override === undefined ? section.draft.protocol : override.value.value;
}
