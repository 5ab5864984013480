import { processOption, type StunnelOption } from './option.ts';
import { ignoredOption, refusedOption } from './option-foreign.ts';
import { readText, readWord, readYesNo, store } from './value.ts';

/** Told by `icapgw run` when the log goes elsewhere than in stunnel, which depends on `output` too. */
export const FOREGROUND: Pick<StunnelOption, 'note' | 'instead'> = {
  note: 'icapgw run stays in the foreground and logs to standard error or to output, never to both',
  instead:
    'start it as icapgw stunnel, which does what stunnel does, or let the service manager do it (systemd: Type=notify)',
};

const SEEDING = 'OpenSSL takes its random numbers from the operating system';
const GUI = 'it belongs to the Windows program window';

/** Options about the process: log, pid file, privileges. */
export const PROCESS_OPTIONS: readonly StunnelOption[] = [
  processOption({
    name: 'foreground',
    rating: 'A',
    verdict: 'same',
    values: 'yes, quiet, no',
    note: 'of the launcher; icapgw run stays in the foreground, with its log in one place, and says so where that differs',
    apply(setting, draft, report) {
      const value = readWord(setting, ['yes', 'quiet', 'no'], report);
      if (value !== undefined) draft.foreground = { value, place: setting.place };
    },
  }),
  processOption({
    name: 'log',
    rating: 'A',
    verdict: 'same',
    values: 'append, overwrite',
    note: 'whether the log file is emptied when it is opened',
    apply(setting, draft, report) {
      const word = readWord(setting, ['append', 'overwrite'], report);
      store(draft.values, 'log.overwrite', word === undefined ? undefined : word === 'overwrite', setting);
    },
  }),
  processOption({
    name: 'output',
    rating: 'A',
    verdict: 'same',
    values: 'FILE',
    note: 'the log file; SIGUSR1 opens it again',
    apply(setting, draft, report) {
      store(draft.values, 'log.file', readText(setting, 'name the log file', report), setting);
    },
  }),
  processOption({
    name: 'pid',
    rating: 'A',
    verdict: 'same',
    values: 'FILE, or nothing',
    note: 'written when the listeners are up, removed at a clean end',
    apply(setting, draft, report) {
      const path = setting.value === '' ? '' : readText(setting, 'name the file', report);
      store(draft.values, 'pid-file', path, setting);
    },
  }),
  ...['setuid', 'setgid'].map((name) =>
    processOption({
      name,
      rating: 'A',
      verdict: 'same',
      values: name === 'setuid' ? 'USER' : 'GROUP',
      note: 'taken on when everything listens, by name or number; refused in a section, where it is the owner of a Unix socket',
      inSection: 'the owner of a Unix socket cannot be chosen; remove the line, or move it before the first [section]',
      apply(setting, draft, report) {
        store(draft.values, name, readText(setting, 'name an account of this machine', report), setting);
      },
    }),
  ),
  processOption({
    name: 'syslog',
    rating: 'A',
    verdict: 'same',
    values: 'yes, no',
    note: 'through logger(1) of util-linux; without the line it is yes for the launcher, as in stunnel, and no for icapgw run',
    apply(setting, draft, report) {
      const value = readYesNo(setting, report);
      if (value !== undefined) draft.syslog = { value, place: setting.place };
    },
  }),
  processOption({
    name: 'fips',
    rating: 'A',
    verdict: 'refused',
    values: 'yes, no',
    note: 'no is what icapgw does; yes is refused, because it cannot vouch for a validated module',
    instead: 'run Node.js itself in FIPS mode where that is required, and write fips = no',
    apply(setting, _draft, report) {
      if (readYesNo(setting, report) !== true) return;
      report.refuse(
        setting.place,
        'fips: FIPS provider not available: icapgw cannot vouch for one; run Node.js itself in FIPS mode',
      );
    },
  }),
  refusedOption({
    name: 'chroot',
    scope: 'global',
    values: 'DIR',
    note: 'Node.js cannot change its root folder',
    instead: 'let the service manager do it (systemd: RootDirectory=, ProtectSystem=strict)',
  }),
  refusedOption({
    name: 'compression',
    scope: 'global',
    values: 'deflate, zlib',
    note: 'TLS compression leaks secrets (CRIME) and OpenSSL no longer has it',
    instead: 'remove the line',
  }),
  ...['engine', 'engineCtrl', 'engineDefault'].map((name) =>
    refusedOption({
      name,
      scope: 'global',
      values: name === 'engine' ? 'auto, ID' : 'TEXT',
      repeats: name === 'engine',
      note: 'OpenSSL engines cannot be loaded, so that keys in tokens are out of reach',
      instead: 'use a key in a PEM file',
    }),
  ),
  ...['provider', 'providerParameter'].map((name) =>
    refusedOption({
      name,
      scope: 'global',
      values: 'TEXT',
      repeats: true,
      note: 'OpenSSL providers (stunnel 5.75) are not loaded from here',
      instead: 'configure them in openssl.cnf and start Node.js with --openssl-config',
    }),
  ),
  refusedOption({
    name: 'setEnv',
    scope: 'global',
    values: 'NAME=VALUE',
    repeats: true,
    note: 'programs have the environment that icapgw was started with (stunnel 5.75 can add to it)',
    instead: 'set the variable where icapgw is started, such as in its unit',
  }),
  ...['EGD', 'RNDbytes', 'RNDfile', 'RNDoverwrite'].map((name) =>
    ignoredOption({ name, scope: 'global', values: 'TEXT', note: SEEDING, instead: 'remove the line' }),
  ),
  ...['taskbar', 'iconActive', 'iconError', 'iconIdle'].map((name) =>
    ignoredOption({ name, scope: 'global', values: 'TEXT', note: GUI, instead: 'remove the line' }),
  ),
];
