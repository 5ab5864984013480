import type { RawPath } from '../config/raw.ts';
import { isClientMode, putBackendTls, putForBackends } from './backend-tls.ts';
import { putClientAuth } from './client-auth.ts';
import type { ServiceDraft } from './draft.ts';
import { endpointProblem, isProgramClient, programOf, targetsOf } from './endpoint.ts';
import type { StunnelHost } from './host.ts';
import { PSK_IDENTITY_KEY } from './option-client-auth.ts';
import { type Override, PROCESS_KEYS } from './override.ts';
import type { Place, Placed } from './place.ts';
import { type Put, putList } from './put.ts';
import type { RawBuilder } from './raw-builder.ts';
import type { Report } from './report.ts';
import { isSecondary, type NamedSection, putSni } from './server-name.ts';
import { putTicketSecret, warnUnusedTicketSecret } from './ticket-secret.ts';
import { readVersionRange } from './tls-version.ts';

/** One section, read to its end. */
export interface Section {
  readonly name: string;
  /** `inetd`: what a file without sections is. */
  readonly kind: 'section' | 'inetd';
  readonly place: Place;
  readonly draft: ServiceDraft;
  readonly overrides: readonly Placed<Override>[];
}

/** What stunnel does when nothing is said and icapgw's own defaults differ. */
export const STUNNEL_DEFAULTS: Readonly<Record<string, unknown>> = {
  'tls.ciphers': 'HIGH:!aNULL:!SSLv2:!DH:!kDHEPSK',
  'tls.ciphersuites': 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
  'tls.security-level': 2,
  'tls.session-timeout': '300s',
  'timeouts.handshake': '300s',
  'timeouts.connect': '10s',
  'timeouts.close': '60s',
  'timeouts.idle': '12h',
};

const TLS_PREFIX = 'tls.';
const VERSION_OPTIONS = ['sslversion', 'sslversionmin', 'sslversionmax', 'options', 'config'];

/** Writes a section as the service at `at`. */
export function putService(
  section: Section,
  all: readonly NamedSection[],
  host: StunnelHost,
  at: RawPath,
  builder: RawBuilder,
  report: Report,
): void {
  const { draft } = section;
  const put: Put = (key, value, place) => {
    builder.set([...at, ...key.split('.')], value, place?.rootLine ?? 0);
  };
  builder.set(at, {}, section.place.rootLine);
  put('name', section.name, section.place);
  if (draft.level !== undefined) put('log-level', draft.level.value, draft.level.place);
  if (section.kind === 'inetd') put('listen', '-');
  else putListen(draft, host, put, report);
  if (isSecondary(draft)) putSni(section, all, put, report);
  put('protocol', draft.protocol, draft.mentioned.get('protocol'));
  if (isClientMode(draft)) putClientMode(section, put, report);
  else putServerMode(section, put, report);
  putKeepAlive(draft, put);
  // A tunnel may carry anything; only where ICAP is promised may a probe speak it.
  if (protocolOf(section) === 'tunnel') put('health.type', healthTypeOf(draft, host));
  for (const override of section.overrides) {
    const { path } = override.value;
    if (!PROCESS_KEYS.has(path[0])) putOverride(override, at, builder, report);
    else
      report.error(
        override.place,
        `icapgw.${path.join('.')}: is about all services: write it before the first [section]`,
      );
  }
}

function putListen(draft: ServiceDraft, host: StunnelHost, put: Put, report: Report): void {
  const { accept, retry, exec, execArgs } = draft;
  if (exec === undefined && execArgs !== undefined) report.warn(execArgs.place, 'execArgs: has no effect without exec');
  const program = isProgramClient(draft) ? programOf(draft) : undefined;
  if (program !== undefined) {
    put('listen', program.value, program.place);
    if (retry !== undefined) put('exec-restart', retry.value, retry.place);
    return;
  }
  const taken = new Set<string>();
  const addresses = accept.filter(({ value, place }) => {
    // Port 0 is another one each time.
    const isNew = !taken.has(value) || value.endsWith(':0');
    if (!isNew) report.warn(place, `accept: ${value} is named before; it is taken once`);
    taken.add(value);
    return isNew;
  });
  putList('listen', addresses, put);
  if (host === 'stunnel' && addresses.length > 1) put('listen-require', 'any', addresses[0]?.place);
}

function putServerMode(section: Section, put: Put, report: Report): void {
  const { draft } = section;
  const putTls: Put = (key, value, place) => put(`tls.${key}`, value, place);
  putValues(draft, put, putTls);
  const preference = isOn(draft, 'CIPHER_SERVER_PREFERENCE');
  putTls('server-cipher-preference', preference, draft.mentioned.get('options'));
  putTickets(draft, putTls);
  putSessionIds(draft, putTls);
  warnUnusedIdentity(section, report);
  putTicketSecret(draft, section, putTls, report);
  putVersions(section, putTls, report);
  putClientAuth(draft, section, put, report);
  putBackends(draft, put);
}

function warnUnusedIdentity({ draft, place }: Section, report: Report): void {
  const identity = draft.values.get(PSK_IDENTITY_KEY);
  if (identity === undefined || identity.place.order < place.order) return;
  report.warn(identity.place, 'PSK identity is ignored in the server mode; remove the line');
}

function putClientMode(section: Section, put: Put, report: Report): void {
  const { draft } = section;
  refuseServerOptions(section, report);
  put('tls', 'off', draft.client?.place);
  putBackends(draft, put);
  const putTls = putForBackends(addressesOf(draft).size, put);
  putValues(draft, put, putTls);
  putTickets(draft, putTls);
  putVersions(section, putTls, report);
  putBackendTls(draft, section.place, putTls, report);
  warnUnusedTicketSecret(draft, section.place, report);
}

/** In the words of stunnel, which takes them in server mode only. */
function refuseServerOptions({ name, draft }: Section, report: Report): void {
  const [redirect] = draft.redirect;
  if (redirect !== undefined) {
    report.error(redirect.place, `Service [${name}]: "redirect" is unsupported in client sections`);
  }
  const proxy = draft.values.get('proxy-protocol.send');
  if (proxy !== undefined) {
    const refusal = "The 'proxy' protocol is not supported in the client mode";
    report.refuse(
      proxy.place,
      `Service [${name}]: ${refusal}; to send its header before TLS, write icapgw.proxy-protocol.send = v1`,
    );
  }
}

/** Options that mean exactly one key; those about TLS go where the section speaks it. */
function putValues(draft: ServiceDraft, put: Put, putTls: Put): void {
  const putKey: Put = (key, value, place) => {
    if (key.startsWith(TLS_PREFIX)) putTls(key.slice(TLS_PREFIX.length), value, place);
    else put(key, value, place);
  };
  for (const [key, value] of Object.entries(STUNNEL_DEFAULTS)) putKey(key, value);
  for (const [key, { value, place }] of draft.values) {
    if (!isUseless(key, draft)) putKey(key, value, place);
  }
}

function isUseless(key: string, draft: ServiceDraft): boolean {
  if (key === PSK_IDENTITY_KEY) return !isClientMode(draft) || !draft.values.has('tls.psk-file');
  return (
    key === 'tls.key' && !draft.values.has('tls.cert') && (isClientMode(draft) || draft.values.has('tls.psk-file'))
  );
}

/** Writes `icapgw.KEY = VALUE` below `at`, over whatever is there. */
export function putOverride(override: Placed<Override>, at: RawPath, builder: RawBuilder, report: Report): void {
  const { path, value } = override.value;
  const problem = builder.set([...at, ...path], value, override.place.rootLine);
  if (problem !== undefined) report.error(override.place, `icapgw.${path.join('.')}: ${problem}`);
}

/** Whether a section has what no service can do without. What is missing has been, or is now, reported. */
export function isComplete(section: Section, report: Report): boolean {
  const { draft, place } = section;
  const isInetd = section.kind === 'inetd';
  const subject = isInetd ? 'Inetd mode' : `Service [${section.name}]`;
  const rule = isInetd ? 'Inetd mode must define one endpoint' : 'Each service must define two endpoints';
  if (isInetd && draft.accept.length > 0) {
    report.error(place, "Inetd mode: 'accept' option is only allowed in a [section]");
    return false;
  }
  const isReached = isInetd || isSecondary(draft) || isProgramClient(draft) || overrides(section, ['sni']);
  const problem = endpointProblem(draft, isInetd);
  if (problem !== undefined) {
    report.error(place, `${subject}: ${rule}: ${problem}`);
    return false;
  }
  const missing = [
    draft.accept.length === 0 && !isReached && !overrides(section, ['listen']) ? 'accept' : undefined,
    targetsOf(draft).length === 0 && !overrides(section, ['backends']) ? 'connect' : undefined,
    isWithoutCert(section) ? 'cert' : undefined,
  ].filter((option) => option !== undefined);
  // With connect, the program would have stood in the place of accept.
  const standsFor = draft.connect.length > 0 ? 'accept' : 'connect';
  const isProgramTold = draft.exec === undefined && draft.mentioned.has('exec');
  const isTold = (option: string): boolean => draft.mentioned.has(option) || (isProgramTold && option === standsFor);
  const untold = missing.filter((option) => !isTold(option));
  const endpoints = untold.filter((option) => option !== 'cert');
  if (endpoints.length > 0) {
    report.error(place, `${subject}: ${rule}: there is no ${endpoints.join(' and no ')}`);
  }
  if (untold.includes('cert')) {
    report.error(
      place,
      `${subject}: TLS server needs a certificate: name a PEM file with cert (icapgw gen-cert makes one)`,
    );
  }
  return missing.length === 0;
}

/** Whether a server has neither a certificate nor keys in its place. */
function isWithoutCert(section: Section): boolean {
  const { draft } = section;
  if (isClientMode(draft) || draft.values.has('tls.cert') || draft.values.has('tls.psk-file')) return false;
  return !overrides(section, ['tls', 'cert']) && !overrides(section, ['tls', 'psk-file']);
}

/** Whether an `icapgw.` line sets a key or the whole of what it is part of. */
function overrides(section: Section, key: RawPath): boolean {
  return section.overrides.some(
    ({ value: { path } }) => path.length <= key.length && path.every((part, i) => part === key[i]),
  );
}

function isOn({ switchedOn, switchedOff }: ServiceDraft, name: string): boolean {
  return switchedOn.has(name) && !switchedOff.has(name);
}

function putTickets(draft: ServiceDraft, putTls: Put): void {
  if (isOn(draft, 'NO_TICKET')) putTls('session-tickets', false, draft.mentioned.get('options'));
}

/** Without tickets stunnel remembers sessions itself, unless it is told not to resume any. */
function putSessionIds(draft: ServiceDraft, putTls: Put): void {
  const isResuming = draft.values.get('tls.session-tickets')?.value !== false;
  if (isOn(draft, 'NO_TICKET') && isResuming) putTls('session-ids', true, draft.mentioned.get('options'));
}

function putVersions(section: Section, putTls: Put, report: Report): void {
  const { draft, place } = section;
  const range = readVersionRange(draft);
  const last = VERSION_OPTIONS.map((name) => draft.mentioned.get(name))
    .filter((mention) => mention !== undefined)
    .toSorted((a, b) => b.order - a.order)[0];
  if ('problem' in range) {
    report.error(last ?? place, range.problem);
    return;
  }
  putTls('min-version', range.min, last);
  putTls('max-version', range.max, last);
}

/** The lines of each address, in the order of the file. */
function addressesOf(draft: ServiceDraft): ReadonlyMap<string, readonly Placed<string>[]> {
  return Map.groupBy(targetsOf(draft), (endpoint) => endpoint.value);
}

/**
 * A server of TLS logs every connection that says nothing, and often belongs to somebody else: it is asked only where
 * there is another one to turn to, and then for a whole handshake. In the place of stunnel no backend meets a connection
 * that no client caused: what fails for clients is all that is known then.
 */
function healthTypeOf(draft: ServiceDraft, host: StunnelHost): string {
  // A program runs only while somebody is connected to it.
  if (host === 'stunnel' || (draft.exec !== undefined && draft.connect.length === 0)) return 'none';
  if (!isClientMode(draft)) return 'tcp';
  return addressesOf(draft).size > 1 ? 'tls' : 'none';
}

function putBackends(draft: ServiceDraft, put: Put): void {
  const backends = addressesOf(draft);
  if (backends.size === 0) return;
  put('backends', [], targetsOf(draft)[0]?.place);
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
