import type { LogLevel } from '../config/config.ts';
import type { ServiceDraft } from './draft.ts';
import { type ApplyOption, type StunnelOption, serviceOption } from './option.ts';
import { ignoredOption, refusedOption } from './option-foreign.ts';
import { quote } from './report.ts';
import { readSeconds, readText, readWord, readYesNo, store } from './value.ts';

const LEVELS: readonly LogLevel[] = ['error', 'error', 'error', 'error', 'warning', 'notice', 'info', 'debug'];
const LEVEL_NAMES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const FACILITY = /^(?:auth|authpriv|cron|daemon|ftp|kern|lpr|mail|news|syslog|user|uucp|local[0-7])$/;

/** Files are what key material is read from; stunnel knows the others by their names. */
function keyFile(key: string): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    const path = readText(setting, 'name a file in PEM or PKCS#12', report);
    if (path === undefined) return;
    if (/^(?:pkcs11|engine|file|org\.[\w.]+):/i.test(path)) {
      report.refuse(setting.place, `${setting.name}: keys behind a URI are not read; name a file in PEM or PKCS#12`);
    } else {
      store(draft.values, key, path, setting);
    }
  };
}

/** Whole seconds; negative is never, 0 is at once: the opposite of Node.js, so that the word is written out. */
function wait(key: string): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    const seconds = readSeconds(setting, report);
    if (seconds === undefined) return;
    store(draft.values, `timeouts.${key}`, seconds < 0 ? 'never' : `${seconds}s`, setting);
  };
}

/** Options about a service's name, key material, waits and log. */
export const SERVICE_OPTIONS: readonly StunnelOption[] = [
  serviceOption({
    name: 'cert',
    rating: 'A',
    verdict: 'same',
    values: 'FILE',
    note: 'PEM with the chain and, without key, the private key, in any order; or PKCS#12, with icapgw.tls.key-passphrase-file = FILE for its passphrase. In client mode it is shown to a server that asks for one, and may be left out',
    apply: keyFile('tls.cert'),
  }),
  serviceOption({
    name: 'key',
    rating: 'A',
    verdict: 'same',
    values: 'FILE',
    note: 'PEM; for an encrypted key add icapgw.tls.key-passphrase-file = FILE (in client mode icapgw.backends.0.tls.key-passphrase-file), nobody is asked at a terminal',
    apply: keyFile('tls.key'),
  }),
  serviceOption({
    name: 'TIMEOUTbusy',
    rating: 'A',
    verdict: 'same',
    values: 'SECONDS',
    note: 'the TLS handshake, with a client or in client mode with the server, and the PROXY header; 0 is at once, negative is never',
    apply: wait('handshake'),
  }),
  serviceOption({
    name: 'TIMEOUTconnect',
    rating: 'A',
    verdict: 'same',
    values: 'SECONDS',
    note: 'for each address of a backend; 0 is at once, negative is never',
    apply: wait('connect'),
  }),
  serviceOption({
    name: 'TIMEOUTclose',
    rating: 'A',
    verdict: 'same',
    values: 'SECONDS',
    note: 'after one side has finished; 0 is at once, negative is never',
    apply: wait('close'),
  }),
  serviceOption({
    name: 'TIMEOUTidle',
    rating: 'A',
    verdict: 'same',
    values: 'SECONDS',
    note: 'while both sides are open; 0 is at once, negative is never',
    apply: wait('idle'),
  }),
  serviceOption({
    name: 'debug',
    rating: 'A',
    verdict: 'same',
    values: `[FACILITY.]LEVEL: 0 to 7, ${LEVEL_NAMES.join(', ')}`,
    note: 'in a section, the level for the connections of that service; the facility is used where the log goes to syslog',
    apply(setting, draft, report) {
      const [, facility = 'daemon', name = ''] = /^(?:([^.]*)\.)?(.*)$/.exec(setting.value.toLowerCase()) ?? [];
      const level =
        LEVELS[LEVEL_NAMES.includes(name) ? LEVEL_NAMES.indexOf(name) : /^[0-7]$/.test(name) ? Number(name) : -1];
      if (!FACILITY.test(facility)) {
        report.invalid(setting, `Illegal syslog facility ${quote(facility)}`);
        return;
      }
      if (level === undefined) {
        const levels = `0 to 7 or one of ${LEVEL_NAMES.join(', ')}`;
        report.invalid(setting, `Illegal debug level: it must be ${levels}, not ${quote(setting.value)}`);
        return;
      }
      draft.level = { value: level, place: setting.place };
      draft.facility = { value: facility, place: setting.place };
    },
  }),
  serviceOption({
    name: 'service',
    rating: 'B',
    verdict: 'same',
    values: 'NAME',
    note: 'in a section, its name in logs and metrics; before the first section, the name of the process in syslog',
    apply(setting, draft) {
      draft.name = { value: setting.value, place: setting.place };
    },
  }),
  serviceOption({
    name: 'logId',
    rating: 'B',
    verdict: 'same',
    values: 'sequential, unique, thread, process',
    note: 'with log.format stunnel; the same in all sections; thread is sequential, because connections have no threads of their own',
    apply(setting, draft, report) {
      const word = readWord(setting, ['sequential', 'unique', 'thread', 'process'], report);
      if (word === undefined) return;
      if (word === 'thread') report.warn(setting.place, 'logId: connections have no threads; they are numbered');
      draft.connectionId = { value: word === 'thread' ? 'sequential' : word, place: setting.place };
    },
  }),
  serviceOption({
    name: 'include',
    rating: 'B',
    verdict: 'same',
    values: 'DIR',
    note: 'every regular file of the folder, sorted by name, as if it stood there',
    // The statements arrive here with the included ones already in their places.
    apply: () => {},
  }),
  serviceOption({
    name: 'reset',
    rating: 'B',
    verdict: 'same',
    values: 'yes, no',
    note: 'whether errors and timeouts end a connection with RST',
    apply(setting, draft, report) {
      store(draft.values, 'sockets.reset', readYesNo(setting, report), setting);
    },
  }),
  ignoredOption({
    name: 'stack',
    scope: 'service',
    values: 'BYTES',
    note: 'there is no thread for each connection',
    instead: 'remove the line',
  }),
  ...['engineId', 'engineNum'].map((name) =>
    refusedOption({
      name,
      scope: 'service',
      values: 'ID',
      note: 'OpenSSL engines cannot be loaded, so that keys in tokens are out of reach',
      instead: 'use a key in a PEM file',
    }),
  ),
  ...['Authentication', 'Domain', 'Header', 'Host', 'Password', 'Username'].map((name) =>
    ignoredOption({
      name: `protocol${name}`,
      scope: 'service',
      repeats: name === 'Header',
      values: 'TEXT',
      note: 'it only matters with protocol = connect, smtp or socks, which are not spoken',
      instead: 'remove the line',
    }),
  ),
];
