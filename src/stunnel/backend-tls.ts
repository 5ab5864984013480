import { isIpv4, isIpv6 } from './address.ts';
import { checkSubjects, refuseRevocation, revocationFiles, trustedFiles, warnUnusedRevocation } from './client-auth.ts';
import type { ServiceDraft } from './draft.ts';
import type { Place } from './place.ts';
import { type Put, putList } from './put.ts';
import { quote, type Report } from './report.ts';

const SERVER_NAME = /^[\w.-]{1,253}$/;

/** Keys of a service's `tls` that a backend's calls otherwise. */
const BACKEND_KEYS: ReadonlyMap<string, string> = new Map([['session-tickets', 'session-resumption']]);

/** Whether a section takes clear text in and speaks TLS to its backends. */
export function isClientMode(draft: ServiceDraft): boolean {
  return draft.client?.value === true;
}

/** Puts a key of TLS, called as a service calls it, below every backend. They must be there already. */
export function putForBackends(backendCount: number, put: Put): Put {
  return (key, value, place) => {
    for (let index = 0; index < backendCount; index += 1) {
      put(`backends.${index}.tls.${BACKEND_KEYS.get(key) ?? key}`, value, place);
    }
  };
}

/** Writes, through a Put for its backends, whom a section with `client = yes` is to find there and what it tells them. */
export function putBackendTls(draft: ServiceDraft, section: Place, put: Put, report: Report): void {
  warnUnusedKey(draft, report);
  putServerName(draft, put, report);
  checkSubjects(draft, section, report);
  const { chain, peer } = draft.clientAuth;
  if (chain || peer) putVerified(draft, section, put, report);
  else if (!draft.values.has('tls.psk-file')) putUnverified(draft, section, put, report);
}

function putVerified(draft: ServiceDraft, section: Place, put: Put, report: Report): void {
  const { chain, peer } = draft.clientAuth;
  const choice = draft.clientAuthPlace ?? section;
  if (trustedFiles(draft).length === 0) {
    const told = draft.mentioned.has('cafile') || draft.mentioned.has('capath');
    if (!told) report.error(choice, 'nothing to verify the server with: name CAfile or CApath');
    return;
  }
  if (!chain) refuseRevocation(draft, report);
  putList('ca', trustedFiles(draft), put);
  putList('crl', revocationFiles(draft), put);
  put('trust', chain ? 'chain' : 'pin', choice);
  if (chain && peer) put('chain-and-pin', true, choice);
  if (draft.checks.length > 0) {
    putList('allow.sans', draft.checks, put);
    return;
  }
  // stunnel looks for no name but those it is given.
  put('verify-name', false, choice);
  if (peer) return;
  report.warn(
    choice,
    `whoever has any certificate of that CA can answer in the server's place, as in stunnel; write ${adviseCheck(draft)}`,
    'ICAPGW_CONFIG_UNSAFE',
  );
}

/** Obeyed, since it is what stunnel does with the same file, and the tunnel would not work otherwise. */
function putUnverified(draft: ServiceDraft, section: Place, put: Put, report: Report): void {
  const [trusted] = trustedFiles(draft);
  const client = draft.client?.place;
  // An option that is inherited is not what sets this section apart from others.
  const own = [draft.clientAuthPlace, trusted?.place, client].find((place) => (place?.order ?? 0) > section.order);
  const place = own ?? section;
  put('verify', false, place);
  if (draft.checks.length > 0) return;
  warnUnusedRevocation(draft, report);
  const found = trusted === undefined ? '' : ' CAfile and CApath alone verify nobody.';
  const ca = trusted === undefined ? ', CAfile = FILE with its CA' : '';
  report.warn(
    place,
    'THE SERVER IS NOT VERIFIED (needs authentication to prevent MITM attacks): as in stunnel, whoever answers in its ' +
      `place reads and changes everything.${found} Write verifyChain = yes${ca} and ${adviseCheck(draft)}; or ` +
      'verifyPeer = yes with the certificate of the server in CAfile',
    'ICAPGW_CONFIG_UNSAFE',
  );
}

/** stunnel sends the host of the first `connect` to whichever server it reaches. */
function putServerName({ sni, connect, exec }: ServiceDraft, put: Put, report: Report): void {
  if (sni !== undefined) {
    const { value, place } = sni;
    if (value === '') put('sni', false, place);
    else if (SERVER_NAME.test(value)) put('server-name', value, place);
    else report.error(place, `sni: with client = yes it is the name to send, such as dlp.example, not ${quote(value)}`);
    return;
  }
  const hosts = connect.map(({ value }) => hostOf(value));
  const [first] = hosts;
  if (first === undefined && exec !== undefined) put('sni', false, exec.place);
  if (first === undefined || hosts.every((host) => host === first)) return;
  if (isAddress(first)) put('sni', false, connect[0]?.place);
  else put('server-name', first, connect[0]?.place);
}

function adviseCheck({ connect }: ServiceDraft): string {
  const host = hostOf(connect[0]?.value ?? '');
  if (host === '' || host === 'localhost') return 'checkHost = the name in its certificate';
  return isAddress(host) ? `checkIP = ${host}, or checkHost = the name in its certificate` : `checkHost = ${host}`;
}

/** Of an address as the YAML format has it. */
function hostOf(address: string): string {
  if (address.startsWith('unix:')) return 'localhost';
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

function isAddress(host: string): boolean {
  return isIpv4(host) || isIpv6(host);
}

function warnUnusedKey(draft: ServiceDraft, report: Report): void {
  const key = draft.values.get('tls.key');
  if (key === undefined || draft.values.has('tls.cert')) return;
  report.warn(key.place, 'key: has no effect without cert; remove the line');
}
