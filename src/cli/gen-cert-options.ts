import { type Command, InvalidArgumentError, Option } from 'commander';
import type { KeyOptions } from '../tls/generate.ts';
import { parseSubjectAltName, type SubjectAltName } from '../tls/subject-alt-name.ts';

/** What the command line gives, checked one by one. */
export interface GenCertFlags {
  readonly out: string;
  readonly cn: string;
  readonly san: readonly SubjectAltName[];
  readonly days: number;
  readonly keyType: KeyOptions['type'];
  /** Undefined: 2048 for RSA, 256 for EC. */
  readonly bits?: number;
  readonly name: string;
  readonly force?: true;
  readonly csr?: true;
  readonly ca?: true;
  readonly client?: true;
}

const RESERVED: readonly string[] = ['key', 'cert', 'ca', 'ca-key', 'client', 'client-key'];
const EC_BITS: readonly number[] = [256, 384, 521];

/** Puts the options of `gen-cert` on a command; each says itself what is wrong with its value. */
export function addGenCertOptions(command: Command, hostName: string): Command {
  return command
    .option('--out <dir>', 'folder for the files; made where it is missing', '.')
    .option(
      '--cn <name>',
      'name of the certificate, usually the host name that clients connect to',
      parseName,
      hostName,
    )
    .addOption(
      new Option('--san <names>', 'further names, comma separated: DNS:host, IP:address, EMAIL:..., URI:...')
        .argParser(parseSans)
        .default([], 'none'),
    )
    .option('--days <count>', 'days until it expires, 1 to 36500', parseDays, 1095)
    .addOption(new Option('--key-type <type>', 'kind of private key').choices(['rsa', 'ec']).default('rsa'))
    .option('--bits <count>', 'size of the key: RSA 2048 to 8192 (2048), EC 256, 384 or 521 (256)', parseInteger)
    .option('--name <name>', 'name of the file with key and certificate, without .pem', parseFileName, 'stunnel-key')
    .addOption(
      new Option('--csr', 'make a request for your own CA instead of a certificate').conflicts(['ca', 'client']),
    )
    .option('--ca', 'make a lab CA too, and sign the certificate with it')
    .option('--client', 'make a client certificate too, signed by the lab CA')
    .option('--force', 'replace files that exist');
}

/** The key size, or why it does not fit the kind of key. */
export function keyOptionsOf({ keyType, bits }: Pick<GenCertFlags, 'keyType' | 'bits'>): KeyOptions | string {
  if (keyType === 'ec') {
    const size = bits ?? 256;
    return EC_BITS.includes(size) ? { type: 'ec', bits: size } : '--bits of an EC key must be 256, 384 or 521';
  }
  const size = bits ?? 2048;
  return size >= 2048 && size <= 8192 ? { type: 'rsa', bits: size } : '--bits of an RSA key must be from 2048 to 8192';
}

function parseName(value: string): string {
  const name = value.trim();
  if (name === '' || /\p{Cc}/u.test(name))
    throw new InvalidArgumentError('It must not be empty or hold control characters.');
  // RFC 5280 appendix A, ub-common-name: OpenSSL refuses longer ones.
  if ([...name].length > 64) throw new InvalidArgumentError('It may have 64 characters; put a longer name into --san.');
  return name;
}

function parseSans(value: string, previous: readonly SubjectAltName[]): readonly SubjectAltName[] {
  const names = value.split(',').map((written) => {
    const name = parseSubjectAltName(written);
    if (name === undefined) {
      throw new InvalidArgumentError(
        `"${written.trim()}" is none of DNS:host, IP:address, EMAIL:user@host, URI:scheme:...`,
      );
    }
    return name;
  });
  return [...previous, ...names];
}

function parseDays(value: string): number {
  const days = parseInteger(value);
  if (days < 1 || days > 36_500) throw new InvalidArgumentError('It must be from 1 to 36500.');
  return days;
}

function parseInteger(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(value);
}

function parseFileName(value: string): string {
  const name = value.replace(/\.pem$/i, '');
  if (!/^[\p{L}\p{N}_][\p{L}\p{N}._ -]*$/u.test(name)) {
    throw new InvalidArgumentError('It must be a file name without a folder: letters, digits, ".", "-", "_".');
  }
  if (RESERVED.includes(name.toLowerCase())) {
    throw new InvalidArgumentError(`${name}.pem is the name of another file that is written.`);
  }
  return name;
}
