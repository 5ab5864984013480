import type { ServiceDraft } from './draft.ts';
import type { Place, Placed } from './place.ts';
import { type Put, putList } from './put.ts';
import type { Report } from './report.ts';

interface NamedPlace {
  readonly name: string;
  readonly place: Place;
}

/** Options of which one, well written or not, shows that the author thought about verification. */
const CHOICES = ['verify', 'verifychain', 'verifypeer', 'requirecert'];
const UNVERIFIED =
  'whatever certificate a client shows is accepted unchecked; write verifyPeer = yes or verifyChain = yes to verify it';
const UNASKED =
  'clients are not asked for a certificate: whoever reaches the port gets through; write verifyPeer = yes or verifyChain = yes to let only known clients in';

/** Writes `tls.client-auth` from the four flags, the trusted files, the subject checks and the redirection of a service. */
export function putClientAuth(
  draft: ServiceDraft,
  { name, place: section }: NamedPlace,
  put: Put,
  report: Report,
): void {
  checkSubjects(draft, section, report);
  checkRedirect(draft, name, section, report);
  const choice = draft.clientAuthPlace;
  if (choice !== undefined) putChosen(draft, choice, put, report);
  else if (!CHOICES.some((name) => draft.mentioned.has(name))) putUnspoken(draft, put, report);
}

function checkRedirect(draft: ServiceDraft, name: string, section: Place, report: Report): void {
  const [first] = draft.redirect;
  if (first === undefined || draft.clientAuth.chain || draft.clientAuth.peer) return;
  const place = first.place.order < section.order ? section : first.place;
  report.error(
    place,
    `Service [${name}]: Either "verifyChain" or "verifyPeer" has to be enabled for "redirect" to work`,
  );
}

// The one default of stunnel's that is not kept: there a trusted CA alone asks for nothing.
function putUnspoken(draft: ServiceDraft, put: Put, report: Report): void {
  const [trusted] = trustedFiles(draft);
  put('tls.client-auth.mode', trusted === undefined ? 'none' : 'require', trusted?.place);
  if (trusted === undefined) {
    warnUnusedRevocation(draft, report);
    return;
  }
  put('tls.client-auth.trust', 'auto', trusted.place);
  putFiles(draft, put);
  const [name, what] = draft.trust.has('ca.file') ? ['CAfile', 'file'] : ['CApath', 'folder'];
  report.warn(
    trusted.place,
    `${name} alone makes stunnel let anyone in; icapgw requires a client certificate that this ${what} vouches for. ` +
      `Write verifyPeer = yes where the ${what} holds the certificate of the client itself, verifyChain = yes where it ` +
      'holds the CA, or verify = 0 to let anyone in',
  );
}

function putChosen(draft: ServiceDraft, choice: Place, put: Put, report: Report): void {
  const { request, require, chain, peer } = draft.clientAuth;
  const verified = chain || peer;
  if (verified && trustedFiles(draft).length === 0) {
    const told = draft.mentioned.has('cafile') || draft.mentioned.has('capath');
    if (!told) report.error(choice, 'nothing to verify clients with: name CAfile or CApath');
    return;
  }
  // Who shows nothing is redirected, whether a certificate is required or not.
  const isRequired = require || draft.redirect.length > 0;
  put('tls.client-auth.mode', request ? (isRequired ? 'require' : 'optional') : 'none', choice);
  if (!verified) warnUnusedRevocation(draft, report);
  if (!request) {
    report.warn(choice, UNASKED, 'ICAPGW_CONFIG_UNSAFE');
    return;
  }
  putFiles(draft, put);
  if (!verified) {
    put('tls.client-auth.verify', false, choice);
    report.warn(choice, require ? UNVERIFIED : `${UNVERIFIED}; none at all passes too`, 'ICAPGW_CONFIG_UNSAFE');
    return;
  }
  if (!chain) refuseRevocation(draft, report);
  put('tls.client-auth.trust', chain ? 'chain' : 'pin', choice);
  if (chain && peer) put('tls.client-auth.chain-and-pin', true, choice);
  putList('tls.client-auth.allow.sans', draft.checks, put);
  putRedirect(draft, put, report);
}

/** stunnel takes port 0 and finds nobody there. */
function putRedirect(draft: ServiceDraft, put: Put, report: Report): void {
  const targets = draft.redirect.filter(({ value }) => !value.endsWith(':0'));
  putList('tls.client-auth.redirect', targets, put);
  for (const { value, place } of draft.redirect) {
    if (value.endsWith(':0'))
      report.warn(place, `redirect: nobody is at ${value} (port 0); who would be sent there is refused`);
  }
  const [first] = targets;
  if (first !== undefined && draft.roundRobin) put('tls.client-auth.redirect-balance', 'round-robin', first.place);
}

/** A check of names without verification is an error, as in stunnel. */
export function checkSubjects(draft: ServiceDraft, section: Place, report: Report): void {
  const [first] = draft.checks;
  if (first === undefined || draft.clientAuth.chain || draft.clientAuth.peer) return;
  // A check inherited from before the first section is the fault of the section that does not verify.
  const place = first.place.order < section.order ? section : first.place;
  report.error(place, 'checkHost, checkIP and checkEmail need verifyChain = yes or verifyPeer = yes');
}

/** Lists that nobody is looked up in. */
export function warnUnusedRevocation(draft: ServiceDraft, report: Report): void {
  const [first] = revocationFiles(draft);
  if (first === undefined) return;
  const message = `${revocationOption(draft)}: no certificate is verified, so that none is found revoked`;
  report.warn(first.place, message, 'ICAPGW_CONFIG_UNSAFE');
}

/** stunnel looks a pinned certificate up as well, but finds it acceptable only where its CA is trusted beside it. */
export function refuseRevocation(draft: ServiceDraft, report: Report): void {
  const [first] = revocationFiles(draft);
  if (first === undefined) return;
  const advice = 'take the certificate out of CAfile to revoke it, or write verifyChain = yes and trust its CA';
  report.refuse(first.place, `${revocationOption(draft)}: with verifyPeer alone no list is asked; ${advice}`);
}

function revocationOption(draft: ServiceDraft): string {
  return draft.trust.has('crl.file') ? 'CRLfile' : 'CRLpath';
}

function putFiles(draft: ServiceDraft, put: Put): void {
  putList('tls.client-auth.ca', trustedFiles(draft), put);
  putList('tls.client-auth.crl', revocationFiles(draft), put);
}

/** What CAfile and CApath name. */
export function trustedFiles(draft: ServiceDraft): Placed<string>[] {
  return placedValues(draft, ['ca.file', 'ca.path']);
}

/** What CRLfile and CRLpath name. */
export function revocationFiles(draft: ServiceDraft): Placed<string>[] {
  return placedValues(draft, ['crl.file', 'crl.path']);
}

function placedValues(draft: ServiceDraft, keys: readonly string[]): Placed<string>[] {
  return keys.map((key) => draft.trust.get(key)).filter((entry) => entry !== undefined);
}
