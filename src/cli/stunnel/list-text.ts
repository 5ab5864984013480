import type { StunnelOption } from '../../stunnel/option.ts';
import { STUNNEL_OPTIONS } from '../../stunnel/option-table.ts';
import { STUNNEL_DEFAULTS } from '../../stunnel/service-raw.ts';
import { HONOURED_SWITCHES, IDLE_SWITCHES, VERSION_SWITCHES } from '../../stunnel/tls-switch.ts';

const NAME_WIDTH = 22;

/** What a command line that makes no sense is answered with. */
export const SYNTAX: readonly string[] = [
  ' ',
  'Syntax:',
  'stunnel [<filename>] | -fd <n> | -help | -version | -sockets | -options',
  '    <filename>  - use specified config file',
  '    -fd <n>     - read the config file from a file descriptor',
  '    -help       - get config file help',
  '    -version    - display version and defaults',
  '    -sockets    - display default socket options',
  '    -options    - display supported TLS options',
];

/** Every option that can be used, for people and for scripts that look whether one is there. */
export function helpLines(): readonly string[] {
  const of = (scope: StunnelOption['scope']): readonly string[] =>
    STUNNEL_OPTIONS.filter((option) => option.scope === scope && option.verdict !== 'refused')
      .map(({ name, values, note }) => assignment(name, `${values} (${note})`))
      .toSorted(byText);
  return [' ', 'Global options:', ...of('global'), ' ', 'Service-level options:', ...of('service')];
}

/** What holds where a file says nothing. */
export function defaultLines(): readonly string[] {
  const of = (key: string): string => String(STUNNEL_DEFAULTS[key]);
  return [
    ' ',
    'Service-level options:',
    assignment('ciphers', of('tls.ciphers')),
    assignment('ciphersuites', `${of('tls.ciphersuites')} (with TLSv1.3)`),
    assignment('debug', 'daemon.notice'),
    assignment('logId', 'sequential'),
    assignment('options', 'NO_SSLv2'),
    assignment('options', 'NO_SSLv3'),
    assignment('securityLevel', of('tls.security-level')),
    assignment('sessionCacheTimeout', '300 seconds'),
    assignment('TIMEOUTbusy', '300 seconds'),
    assignment('TIMEOUTclose', '60 seconds'),
    assignment('TIMEOUTconnect', '10 seconds'),
    assignment('TIMEOUTidle', '43200 seconds'),
    assignment('verify', 'none'),
  ];
}

/** The socket options that have an effect, with what they are where nothing is said. */
export function socketLines(): readonly string[] {
  const row = (name: string, ...cells: readonly string[]): string =>
    `    ${name.padEnd(20)}|${cells.map((cell) => cell.padStart(6).padEnd(10)).join('|')}`;
  return [
    ' ',
    'Socket option defaults:',
    row('Option Name', 'Accept', 'Local', 'Remote', 'OS default'),
    `    ${'-'.repeat(20)}+${Array.from({ length: 4 }, () => '-'.repeat(10)).join('+')}`,
    row('SO_KEEPALIVE', '--', '--', '--', 'no'),
    row('SO_REUSEADDR', 'yes', '--', '--', 'no'),
    row('TCP_KEEPIDLE', '--', '--', '--', '7200'),
    row('TCP_NODELAY', '--', 'yes', 'yes', 'no'),
    row('IPV6_V6ONLY', '--', '--', '--', 'no'),
  ];
}

/** The names that `options =` knows, those without an effect here too. */
export function tlsOptionLines(): readonly string[] {
  const names = [...VERSION_SWITCHES.keys(), ...HONOURED_SWITCHES, ...IDLE_SWITCHES].map((name) =>
    name.replace(/(SSL|TLS)V(\d)/, '$1v$2'),
  );
  return [' ', 'Supported TLS options:', ...names.toSorted(byText).map((name) => `options = ${name}`)];
}

function assignment(name: string, value: string): string {
  return `${name.padEnd(NAME_WIDTH)} = ${value}`;
}

function byText(a: string, b: string): number {
  return a.localeCompare(b, 'en');
}
