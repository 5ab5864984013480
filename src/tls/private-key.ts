import { createPrivateKey, type KeyObject } from 'node:crypto';
import { materialError, readMaterialFile } from './file.ts';
import { describeBlocks, type PemBlock } from './pem.ts';

const LABELS: ReadonlySet<string> = new Set([
  'PRIVATE KEY',
  'ENCRYPTED PRIVATE KEY',
  'RSA PRIVATE KEY',
  'EC PRIVATE KEY',
]);
/** OpenSSL reads no longer passphrase. */
const MAX_PASSPHRASE_BYTES = 1024;

/** What `privateKeysOf` needs beyond the blocks, to open the keys and to word its errors. */
export interface PrivateKeyOptions {
  readonly file: string;
  /** Its first line opens encrypted keys; undefined: an encrypted key is an error. */
  readonly passphraseFile: string | undefined;
  /** Whether `file` was read because no key file was named. */
  readonly isCertFile: boolean;
}

/**
 * The private keys among a file's blocks, decrypted, in file order. Throws TlsMaterialError where there is none, where
 * one is damaged, or where one is encrypted and the passphrase is missing or wrong.
 */
export function privateKeysOf(blocks: readonly PemBlock[], options: PrivateKeyOptions): KeyObject[] {
  const keys = blocks.filter((block) => LABELS.has(block.label));
  if (keys.length === 0) throw materialError(options.file, describeNoKey(blocks, options));
  const passphrase = readPassphrase(keys, options);
  return keys.map((block) => parseKey(block, passphrase, options));
}

function isEncrypted(block: PemBlock): boolean {
  return block.label === 'ENCRYPTED PRIVATE KEY' || block.text.includes('Proc-Type: 4,ENCRYPTED');
}

function readPassphrase(keys: readonly PemBlock[], { file, passphraseFile }: PrivateKeyOptions): string | undefined {
  if (!keys.some(isEncrypted)) return undefined;
  if (passphraseFile === undefined) {
    const way = 'name the file that holds its passphrase with key-passphrase-file, or store the key without one';
    throw materialError(file, `the private key is encrypted: ${way} (openssl pkey -in "${file}" -out NEW.pem)`);
  }
  return loadPassphrase(passphraseFile);
}

/** The first line of a file, which must not be empty. */
export function loadPassphrase(file: string): string {
  // A passphrase file made by an editor or by echo ends in a line end that is not part of it.
  const [line = ''] = readMaterialFile(file, MAX_PASSPHRASE_BYTES).toString('utf8').split(/\r?\n/, 1);
  if (line === '') throw materialError(file, 'the first line must be the passphrase of the private key');
  return line;
}

function parseKey(block: PemBlock, passphrase: string | undefined, options: PrivateKeyOptions): KeyObject {
  const { file, passphraseFile } = options;
  const encrypted = isEncrypted(block);
  try {
    return createPrivateKey({ key: block.text, format: 'pem', ...(encrypted && { passphrase }) });
  } catch (cause) {
    const text = encrypted
      ? `the passphrase in ${passphraseFile} does not open the private key that begins on line ${block.line}`
      : `the private key that begins on line ${block.line} is damaged`;
    throw materialError(file, text, cause);
  }
}

function describeNoKey(blocks: readonly PemBlock[], { file, isCertFile }: PrivateKeyOptions): string {
  const found = `holds no private key (found: ${describeBlocks(blocks)})`;
  if (blocks.some((block) => block.label === 'OPENSSH PRIVATE KEY')) {
    return `${found}: ssh-keygen -p -m PEM -f "${file}" converts a key in OpenSSH's own format`;
  }
  return isCertFile ? `${found}: add the key to the file, or name the file that has it with \`key\`` : found;
}
