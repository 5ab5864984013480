import { formatAddress } from '../../config/address.ts';
import type { Config } from '../../config/config.ts';
import { type LoadedConfig, lineOfProblem } from '../../config/load.ts';
import { type GatewayError, messageOf, type Problem } from '../../errors.ts';
import { besideLine } from '../../observe/stunnel-line.ts';

/** How grave a line is, in stunnel's signs: what it says before its log is open has no time and no level. */
export type StartMark = '[!]' | '[:]' | '[.]' | '[ ]';

/** One line of what stunnel says when it does not start. */
export function startLine(mark: StartMark, text: string): string {
  return `${mark} ${text}\n`;
}

/** The errors of the system that can keep a program from starting, as strerror(3) has them. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied (13)',
  EADDRINUSE: 'Address already in use (98)',
  EADDRNOTAVAIL: 'Cannot assign requested address (99)',
  EISDIR: 'Is a directory (21)',
  ELOOP: 'Too many levels of symbolic links (40)',
  ENAMETOOLONG: 'File name too long (36)',
  ENOENT: 'No such file or directory (2)',
  ENOTDIR: 'Not a directory (20)',
  EPERM: 'Operation not permitted (1)',
  EROFS: 'Read-only file system (30)',
};

/** What the system said, in its own words and with its number. */
export function systemError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return SYSTEM_ERRORS[code] ?? messageOf(error);
}

/** What concerns no line in particular: stunnel names none there. */
const WHOLE_FILE = /^Inetd mode: /;
const SCOPED = /^(?:Global options|Service \[)/;

/** A problem as stunnel tells it, `FILE:LINE: "the line": text`, with our code behind. */
export function problemText(problem: Problem, texts: ReadonlyMap<string, string>): string {
  const { file, line, message, code } = problem;
  if (WHOLE_FILE.test(message)) return `${message} [${code}]`;
  const written = lineOfProblem(problem, texts);
  if (written !== undefined) return `${file}:${line}: "${written}": ${besideLine(message, written)} [${code}]`;
  const place = line === 0 ? file : `${file}:${line}`;
  return `${line === 0 && SCOPED.test(message) ? '' : `${place}: `}${message} [${code}]`;
}

/** What was read, and where its values stand in it. */
type WrittenLines = Pick<LoadedConfig, 'lineOf' | 'texts'>;

/** What a start that failed after its configuration was read has to say, stunnel's lines first. */
export function failureLines(error: GatewayError, config: Config, written: WrittenLines): readonly string[] {
  const ours = startLine('[!]', `${error.message} [${error.code}]`);
  switch (error.code) {
    case 'ICAPGW_PRIVILEGES':
      return accountLines(error, config, written);
    case 'ICAPGW_LISTEN':
      return [...bindLines(error, config), ours];
    case 'ICAPGW_LOG_FILE':
      return [startLine('[!]', `Cannot open log file: ${config.log.file}`), ours];
    case 'ICAPGW_FILE_WRITE':
      return [
        startLine('[!]', `Cannot create pid file ${config.pidFile}`),
        startLine('[!]', `create: ${systemError(error.cause)}`),
        ours,
      ];
    default:
      return [ours];
  }
}

/** stunnel looks for the account while it reads the line. */
function accountLines(
  { message, code, cause }: GatewayError,
  { file }: Config,
  written: WrittenLines,
): readonly string[] {
  const unknown = cause instanceof Error && 'code' in cause && cause.code === 'ERR_UNKNOWN_CREDENTIAL';
  if (!unknown) return [startLine('[!]', `${message} [${code}]`)];
  const [key, text] = cause.message.startsWith('User') ? ['setuid', 'Illegal UID'] : ['setgid', 'Illegal GID'];
  const problem: Problem = {
    severity: 'error',
    file,
    line: written.lineOf([key]),
    message: `${text}: ${message}`,
    code,
  };
  return [startLine('[!]', problemText(problem, written.texts)), startLine('[!]', 'Configuration failed')];
}

function bindLines({ message }: GatewayError, { services }: Config): readonly string[] {
  const bindings = services.flatMap(({ name, listen }) =>
    listen.map((address) => ({ name, at: formatAddress(address) })),
  );
  const { name, at } = bindings.find((binding) => message.includes(binding.at)) ?? {};
  if (name === undefined) return [];
  const code = /\((E[A-Z]+)\)$/.exec(message)?.[1] ?? '';
  const reason = SYSTEM_ERRORS[code] ?? code;
  return [
    startLine('[.]', `Binding service [${name}] to ${at}: ${reason}`),
    startLine('[!]', `Binding service [${name}] failed`),
  ];
}
