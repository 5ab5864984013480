import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { GIB, KIB, MIB } from '../config/quantity.ts';
import { type Field, TOKEN } from '../icap/field.ts';
import { type ModMethod, PROFILE_NAMES, type ProfileName } from '../probe/profile.ts';

/** What the command line gives, checked one by one. */
export interface ProbeFlags {
  readonly all?: true;
  readonly size: number;
  readonly file?: string;
  readonly eicar?: true;
  readonly text?: string;
  readonly profile: ProfileName;
  readonly method?: Lowercase<ModMethod>;
  readonly preview: boolean;
  readonly 204: boolean;
  readonly header?: readonly Field[];
  readonly timeout: number;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly serverName?: string;
  readonly insecure?: true;
  readonly json?: true;
  readonly verbose?: true;
}

/** Options that mean something only with TLS. */
export const TLS_FLAGS = ['cert', 'key', 'ca', 'serverName', 'insecure'] as const;

const DEFAULT_SIZE: number = 4 * MIB;
const MAX_SIZE: number = 4 * GIB;
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB };
/** The probe says these itself, as they must fit the message. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['encapsulated', 'preview', 'transfer-encoding']);

/** Puts the options of `probe` on a command; files are relative to `cwd`. */
export function addProbeOptions(command: Command, cwd: string): Command {
  const path = (value: string): string => resolve(cwd, value);
  return command
    .addOption(
      new Option('--all', 'try everything that clients do, and print a table of what the server supports').conflicts([
        'file',
        'eicar',
        'text',
        'preview',
        '204',
      ]),
    )
    .addOption(
      new Option('--size <size>', 'with --all: of the large body').argParser(parseSize).default(DEFAULT_SIZE, '4MiB'),
    )
    .addOption(new Option('--file <file>', 'send this file').argParser(path).conflicts(['eicar', 'text']))
    .addOption(new Option('--eicar', 'send the EICAR anti-virus test string').conflicts('text'))
    .option('--text <text>', 'send this text (default: a harmless one)')
    .addOption(
      new Option('--profile <name>', 'ask as the clients of a product do').choices(PROFILE_NAMES).default('reqmod'),
    )
    .addOption(new Option('--method <method>', 'default: what the profile says').choices(['reqmod', 'respmod']))
    .option('--no-preview', 'send the whole document at once, whatever the server offers')
    .option('--no-204', 'do not allow a 204: the server has to send everything back')
    .option('--header <field>', "add a header field, 'Name: value'; may be repeated", addField)
    .addOption(
      new Option(
        '--timeout <duration>',
        'for the whole probe: 500ms, 60s, 10m; with --all for each check, 10s unless given',
      )
        .argParser(parseTimeout)
        .default(DEFAULT_TIMEOUT_MS, '60s'),
    )
    .option('--cert <file>', 'client certificate (PEM, may hold the key too)', path)
    .option('--key <file>', 'its private key', path)
    .option('--ca <file>', 'CA of the server, or the very certificate of the server', path)
    .option('--server-name <name>', 'name to ask for and to expect in the certificate (default: the host)')
    .option('--insecure', 'accept any certificate of the server')
    .option('--json', 'print one JSON object')
    .option('-v, --verbose', 'print the heads of the conversation on standard error');
}

function addField(text: string, previous: readonly Field[] = []): readonly Field[] {
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(colon, 0));
  const value = text.slice(colon + 1).trim();
  if (!TOKEN.test(name) || /[^\t\x20-\x7e]/.test(value)) {
    throw new InvalidArgumentError("It must be 'Name: value' in ASCII on one line.");
  }
  if (OWN_FIELDS.has(name.toLowerCase())) throw new InvalidArgumentError(`The probe says ${name} itself.`);
  return [...previous, { name, value }];
}

function parseSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(text) ?? [];
  const bytes = Number(digits) * (UNIT_BYTES[unit] ?? 0);
  if (bytes <= 0 || bytes > MAX_SIZE)
    throw new InvalidArgumentError('It must be a size such as 64KiB or 4MiB, up to 4GiB.');
  return bytes;
}

function parseTimeout(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  const timeoutMs = Number(digits) * (UNIT_MS[unit] ?? 0);
  if (timeoutMs <= 0 || timeoutMs > MAX_TIMEOUT_MS) {
    throw new InvalidArgumentError('It must be a duration such as 500ms, 60s or 10m, up to 24h.');
  }
  return timeoutMs;
}
