import type { TlsVersion } from '../config/config.ts';
import type { ServiceDraft } from './draft.ts';
import { type ApplyOption, type StunnelOption, serviceOption } from './option.ts';
import { ignoredOption, refusedOption } from './option-foreign.ts';
import type { Setting } from './place.ts';
import { quote, type Report } from './report.ts';
import { readTicketSecret } from './ticket-secret.ts';
import { HONOURED_SWITCHES, IDLE_SWITCHES, MISSED_SWITCHES, TLS_VERSIONS, VERSION_SWITCHES } from './tls-switch.ts';
import { readInteger, readSeconds, readText, readWord, readYesNo, store } from './value.ts';

/** OpenSSL's own configuration commands that mean a key here. */
const COMMANDS: ReadonlyMap<string, string> = new Map([
  ['CipherString', 'tls.ciphers'],
  ['Ciphersuites', 'tls.ciphersuites'],
  ['Curves', 'tls.groups'],
  ['Groups', 'tls.groups'],
]);

const MAX_SESSION_SECONDS = 7 * 24 * 3600;

function list(key: string): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    store(draft.values, key, readText(setting, 'write names with colons between them', report), setting);
  };
}

function version(bounds: readonly ('minVersion' | 'maxVersion')[]): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    const word = readWord(setting, ['all', 'SSLv3', ...TLS_VERSIONS], report);
    if (word === undefined) return;
    if (word === 'SSLv3') {
      report.refuse(setting.place, `${setting.name}: SSLv3 is broken and OpenSSL no longer has it; write TLSv1.2`);
      return;
    }
    for (const bound of bounds) draft[bound] = word === 'all' ? undefined : word;
  };
}

function readSwitch(setting: Setting, draft: ServiceDraft, report: Report): void {
  const off = setting.value.startsWith('-');
  const name = setting.value.slice(off ? 1 : 0).toUpperCase();
  if (VERSION_SWITCHES.has(name) || HONOURED_SWITCHES.has(name)) {
    if (off && (name === 'NO_SSLV2' || name === 'NO_SSLV3')) {
      report.warn(setting.place, 'options: SSLv2 and SSLv3 stay off; OpenSSL no longer has them');
    }
    (off ? draft.switchedOff : draft.switchedOn).add(name);
  } else if (MISSED_SWITCHES.has(name)) {
    report.warn(setting.place, `options: ${name} has no effect here; remove the line`);
  } else if (!IDLE_SWITCHES.has(name)) {
    report.invalid(setting, `${quote(setting.value)} is not an option of OpenSSL 3; stunnel -options lists them`);
  }
}

function readCommand(setting: Setting, draft: ServiceDraft, report: Report): void {
  const colon = setting.value.indexOf(':');
  const command = colon < 0 ? setting.value : setting.value.slice(0, colon);
  const parameter = colon < 0 ? '' : setting.value.slice(colon + 1);
  const key = COMMANDS.get(command);
  const known = TLS_VERSIONS.find((name) => name === parameter);
  const isVersion = command === 'MinProtocol' || command === 'MaxProtocol';
  if (isVersion && (known !== undefined || parameter === 'None')) {
    draft[command === 'MinProtocol' ? 'minVersion' : 'maxVersion'] = known satisfies TlsVersion | undefined;
  } else if (isVersion) {
    report.invalid(setting, `${command} takes None or one of ${TLS_VERSIONS.join(', ')}, not ${quote(parameter)}`);
  } else if (key !== undefined && parameter !== '') {
    store(draft.values, key, parameter, setting);
  } else {
    const usable = ['MinProtocol', 'MaxProtocol', ...COMMANDS.keys()].join(', ');
    report.refuse(
      setting.place,
      `config: ${quote(setting.value)} is not understood; usable, with ":VALUE", are ${usable}`,
    );
  }
}

/** Options about TLS versions, algorithms and sessions. */
export const TLS_OPTIONS: readonly StunnelOption[] = [
  serviceOption({
    name: 'ciphers',
    rating: 'A',
    verdict: 'same',
    values: 'LIST',
    note: "TLS 1.2 and below; stunnel's default",
    apply: list('tls.ciphers'),
  }),
  serviceOption({
    name: 'ciphersuites',
    rating: 'A',
    verdict: 'same',
    values: 'LIST',
    note: "TLS 1.3; stunnel's default",
    apply: list('tls.ciphersuites'),
  }),
  serviceOption({
    name: 'curves',
    aliases: ['curve'],
    rating: 'A',
    verdict: 'better',
    values: 'LIST',
    note: 'groups for the key exchange; where none are named, a post-quantum hybrid comes before those of stunnel',
    apply: list('tls.groups'),
  }),
  serviceOption({
    name: 'sslVersion',
    rating: 'A',
    verdict: 'same',
    values: `all, ${TLS_VERSIONS.join(', ')}`,
    note: 'sets both bounds; SSLv3 is refused',
    apply: version(['minVersion', 'maxVersion']),
  }),
  serviceOption({
    name: 'sslVersionMin',
    rating: 'A',
    verdict: 'same',
    values: `all, ${TLS_VERSIONS.join(', ')}`,
    note: 'TLSv1.2 unless an older one is named here or securityLevel is 0; SSLv3 is refused',
    apply: version(['minVersion']),
  }),
  serviceOption({
    name: 'sslVersionMax',
    rating: 'A',
    verdict: 'same',
    values: `all, ${TLS_VERSIONS.join(', ')}`,
    note: 'TLSv1.3 by default; SSLv3 is refused',
    apply: version(['maxVersion']),
  }),
  serviceOption({
    name: 'options',
    repeats: true,
    rating: 'A',
    verdict: 'same',
    values: 'NAME, -NAME',
    note: 'NO_TLSv1 to NO_TLSv1_3, CIPHER_SERVER_PREFERENCE and NO_TICKET (with which TLS 1.3 resumes no session here) have their effect, names OpenSSL 3 no longer acts on pass, others pass with a warning; -NAME wins over NAME',
    apply: readSwitch,
  }),
  serviceOption({
    name: 'config',
    repeats: true,
    rating: 'C',
    verdict: 'same',
    values: 'COMMAND:VALUE',
    note: `${['MinProtocol', 'MaxProtocol', ...COMMANDS.keys()].join(', ')}; other commands are refused`,
    instead: 'use the option of that name',
    apply: readCommand,
  }),
  serviceOption({
    name: 'securityLevel',
    rating: 'B',
    verdict: 'same',
    values: '0 to 5',
    note: '2 by default; a lower level is obeyed with a warning',
    apply(setting, draft, report) {
      const level = readInteger(setting, 0, 5, report);
      if (level === undefined) return;
      draft.securityLevel = level;
      store(draft.values, 'tls.security-level', level, setting);
      if (level >= 2) return;
      const message = `securityLevel: level ${level} lets weak keys and algorithms in; 2 is the default`;
      report.warn(setting.place, message, 'ICAPGW_CONFIG_UNSAFE');
    },
  }),
  serviceOption({
    name: 'renegotiation',
    rating: 'B',
    verdict: 'same',
    values: 'yes, no',
    note: 'a client can never renegotiate, as in stunnel with OpenSSL 3; in client mode the server cannot either, since it could show another certificate than the one that was judged',
    apply: (setting, _draft, report) => {
      readYesNo(setting, report);
    },
  }),
  serviceOption({
    name: 'sessionResume',
    rating: 'B',
    verdict: 'same',
    values: 'yes, no',
    note: 'no: every connection makes a full handshake. A session that is resumed is judged anew, in both modes',
    apply(setting, draft, report) {
      store(draft.values, 'tls.session-tickets', readYesNo(setting, report), setting);
    },
  }),
  serviceOption({
    name: 'sessionCacheTimeout',
    aliases: ['session'],
    rating: 'B',
    verdict: 'same',
    values: 'SECONDS',
    note: 'how long a session can be resumed; 300 by default',
    apply(setting, draft, report) {
      const seconds = readSeconds(setting, report);
      if (seconds === undefined) return;
      // A session that ends at once is none, and RFC 8446 4.6.1 lets none live longer than a week.
      if (seconds <= 0) store(draft.values, 'tls.session-tickets', false, setting);
      else store(draft.values, 'tls.session-timeout', `${Math.min(seconds, MAX_SESSION_SECONDS)}s`, setting);
    },
  }),
  ignoredOption({
    name: 'sessionCacheSize',
    scope: 'service',
    values: 'COUNT',
    note: 'sessions live in tickets at the client; those that do not (options = NO_TICKET) share a cache whose size is fixed',
    instead: 'remove the line',
  }),
  refusedOption({
    name: 'sessiond',
    scope: 'service',
    values: 'HOST:PORT',
    note: 'sessions are not shared over the network',
    instead: 'remove the line; clients that change between gateways make a full handshake',
  }),
  ...(['ticketKeySecret', 'ticketMacSecret'] as const).map((name) =>
    serviceOption({
      name,
      rating: 'C',
      verdict: 'same',
      values: 'HEX',
      note: 'both together: sessions are resumed after a restart, and by every gateway that has the same secrets in a section of the same name that lets the same clients in; stunnel and icapgw do not resume sessions of each other',
      apply: readTicketSecret(name),
    }),
  ),
];
