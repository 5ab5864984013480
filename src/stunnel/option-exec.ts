import { type StunnelOption, serviceOption } from './option.ts';
import { refusedOption } from './option-foreign.ts';
import { quote } from './report.ts';
import { readText } from './value.ts';

/** stunnel's pause for `yes`. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 24 * 60 * 60 * 1000;
const MIN_RETRY_MS = 10;

/** Options about programs. */
export const EXEC_OPTIONS: readonly StunnelOption[] = [
  serviceOption({
    name: 'exec',
    rating: 'C',
    verdict: 'same',
    values: 'PATH',
    note: 'the program that has the decrypted connection for its standard input and output, one for each client; or, with connect and client = yes, the only client, started with the service. Its standard error is ours in any case; in the background and with foreground = quiet stunnel sends it to the client',
    apply(setting, draft, report) {
      const path = readText(setting, 'name a program by its path', report);
      if (path === undefined) return;
      if (!path.startsWith('/')) report.invalid(setting, `the path of a program begins with /, unlike ${quote(path)}`);
      else if (/\s/.test(path)) {
        report.invalid(setting, `the path of a program may have no blanks, unlike ${quote(path)}: make a link to it`);
      } else draft.exec = { value: path, place: setting.place };
    },
  }),
  serviceOption({
    name: 'execArgs',
    rating: 'C',
    verdict: 'same',
    values: 'NAME ARGUMENT ...',
    note: 'what the program is called and its arguments, between blanks, which nothing quotes; the path alone by default',
    apply(setting, draft) {
      draft.execArgs = { value: setting.value.split(/\s+/).filter((word) => word !== ''), place: setting.place };
    },
  }),
  refusedOption({
    name: 'pty',
    scope: 'service',
    values: 'yes, no',
    harmless: ['no'],
    note: 'Node.js cannot make a pseudo terminal',
    instead: 'remove the line, or name a script that runs the program under script(1)',
  }),
  serviceOption({
    name: 'retry',
    rating: 'C',
    verdict: 'same',
    values: 'yes, no, MILLISECONDS',
    note: 'whether, and after what time, the program of exec and connect is started again when its connection is over and it has ended; otherwise without effect, as in stunnel',
    apply(setting, draft, report) {
      const word = setting.value.toLowerCase();
      const ms = word === 'yes' ? RETRY_MS : /^\d{1,9}$/.test(word) ? Number(word) : Number.NaN;
      if (word === 'no') draft.retry = undefined;
      else if (ms <= MAX_RETRY_MS) draft.retry = { value: `${Math.max(ms, MIN_RETRY_MS)}ms`, place: setting.place };
      else report.invalid(setting, `Illegal retry delay: write yes, no or milliseconds, not ${quote(setting.value)}`);
    },
  }),
];
