import type { BackendConfig, TlsVersion } from '../config.ts';
import type { Place } from '../report.ts';
import type {
  AllowConfig,
  BackendTlsConfig,
  ClientAuthConfig,
  ServiceTlsConfig,
  TlsOfferConfig,
} from '../tls-config.ts';

// In the order of age.
const VERSIONS: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** What must hold between the keys of a service's `tls`. */
export function checkServiceTls(tls: ServiceTlsConfig, place: Place): void {
  checkVersions(tls, place, 'client');
  checkTicketSecret(tls, place);
  const isKeyedOnly = tls.cert === undefined && tls.pskFile !== undefined;
  if (tls.key !== undefined && isKeyedOnly) place.at('key').error('has no effect without cert');
  const clientAuth = place.at('client-auth');
  if (clientAuth.given) {
    checkClientAuth(tls.clientAuth, clientAuth);
  } else if (place.format === 'yaml' && !isKeyedOnly) {
    place.warnUnsafe(
      'without client-auth anybody may connect; name the CA of your clients there, or write "mode: none"',
    );
  }
}

function checkTicketSecret({ ticketSecret, sessionTickets }: ServiceTlsConfig, place: Place): void {
  const { value, file } = ticketSecret;
  const key = place.at(file === undefined ? 'ticket-secret' : 'ticket-secret-file');
  if (value !== undefined && file !== undefined) key.error('does not go with ticket-secret; keep one of them');
  else if (key.given && !key.failed && !sessionTickets) key.warn('has no effect with session-tickets false');
}

function checkVersions({ minVersion, maxVersion }: TlsOfferConfig, place: Place, peer: 'client' | 'backend'): void {
  const minimum = place.at('min-version');
  if (minimum.failed || place.at('max-version').failed) return;
  if (VERSIONS.indexOf(minVersion) > VERSIONS.indexOf(maxVersion)) {
    minimum.error(`${minVersion} is above max-version ${maxVersion}, so that no version is left`);
  } else if (minVersion === 'TLSv1' || minVersion === 'TLSv1.1') {
    minimum.warnUnsafe(`${minVersion} is weak; use TLSv1.2 unless a ${peer} cannot`);
  }
}

function checkClientAuth(clientAuth: ClientAuthConfig, place: Place): void {
  const { mode, ca, crl, trust, verify, chainAndPin, allow } = clientAuth;
  if (place.at('mode').failed) return;
  const allowedCount = countAllowed(allow);
  if (mode === 'none') {
    if (ca.length > 0) place.at('ca').warn('has no effect with mode none: nobody is asked for a certificate');
    if (allowedCount > 0) place.at('allow').error('has no effect with mode none; use mode require');
    return;
  }
  if (!verify) {
    // A stunnel document comes with a warning of its reader's own, in its own words.
    if (place.format === 'yaml') {
      place.at('verify').warnUnsafe('CLIENT CERTIFICATES ARE NOT VERIFIED: any passes; name a ca and remove this key');
    }
    if (allowedCount > 0) place.at('allow').error('names nobody can rely on while verify is false');
    return;
  }
  if (ca.length === 0 && !place.at('ca').failed) {
    place.at('ca').error(`is missing; mode ${mode} needs the certificate of your clients, or of the CA that signed it`);
  } else if (mode === 'optional' && allowedCount > 0) {
    place.at('allow').warnUnsafe('with mode optional a client without a certificate passes unnamed; use mode require');
  }
  if (trust === 'pin' && crl.length > 0 && !chainAndPin) {
    place.at('crl').error('does not go with trust pin: a pinned certificate is revoked by removing it from ca');
  }
}

function countAllowed({ subjects, sans, spkiSha256 }: AllowConfig): number {
  return subjects.length + sans.length + spkiSha256.length;
}

/** What must hold between the keys of a backend's `tls`. */
export function checkBackendTls(backend: BackendConfig, place: Place): void {
  const { tls, address } = backend;
  if (tls === undefined) return;
  checkVersions(tls, place, 'backend');
  checkBackendTrust(tls, place);
  if (tls.key !== undefined && tls.cert === undefined) place.at('key').error('has no effect without cert');
  if (tls.pskIdentity !== undefined && tls.pskFile === undefined) {
    place.at('psk-identity').error('needs psk-file, with its key');
  }
  if (tls.verify && needsName(tls) && tls.serverName === undefined && isNameless(address) && !place.failed) {
    place
      .at('server-name')
      .error('is missing; a Unix socket or a program has no host name that the certificate could be checked for');
  }
}

function isNameless({ kind }: BackendConfig['address']): boolean {
  return kind === 'unix' || kind === 'exec';
}

function checkBackendTrust(tls: BackendTlsConfig, place: Place): void {
  if (!tls.verify) {
    checkUnverified(tls, place);
    return;
  }
  if (tls.ca.length === 0 && !place.at('ca').failed) {
    if (tls.crl.length > 0) place.at('crl').error('needs ca: the lists of public CAs are not read');
    if (tls.trust === 'pin') place.at('trust').error('pin needs ca, with the certificate of the backend');
    if (tls.chainAndPin) place.at('chain-and-pin').error('needs ca, with the certificate of the backend and its CA');
  }
  if (tls.crl.length > 0 && tls.pinSha256.length > 0) {
    place.at('crl').error('does not go with pin-sha256: the pin alone decides, and no list is asked');
  } else if (tls.crl.length > 0 && tls.trust === 'pin' && !tls.chainAndPin) {
    place.at('crl').error('does not go with trust pin: a pinned certificate is revoked by removing it from ca');
  }
  // A stunnel document comes with a warning of its reader's own, in its own words.
  if (!tls.verifyName && place.format === 'yaml' && tls.trust !== 'pin' && countAllowed(tls.allow) === 0) {
    place
      .at('verify-name')
      .warnUnsafe('false: whoever has any certificate of a trusted CA can answer; name the right one in allow');
  }
}

function checkUnverified(tls: BackendTlsConfig, place: Place): void {
  if (tls.pinSha256.length > 0) {
    place.at('verify').error('false does not go with pin-sha256; remove it, and the pin alone decides');
  } else if (countAllowed(tls.allow) > 0) {
    place.at('allow').error('names nobody can rely on while verify is false');
  } else if (place.format === 'yaml') {
    place.at('verify').warnUnsafe('false: anybody who can answer at this address can read the traffic');
  }
}

/** Whether the certificate is looked at for the name of the server. */
function needsName({ ca, pskFile, pinSha256, verifyName, allow, trust, chainAndPin }: BackendTlsConfig): boolean {
  if (pskFile !== undefined && ca.length === 0) return false;
  const isPinned = pinSha256.length > 0 || (trust === 'pin' && !chainAndPin);
  return verifyName && !isPinned && countAllowed(allow) === 0;
}
