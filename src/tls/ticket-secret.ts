import type { SecretConfig } from '../config/feed-config.ts';
import { isWorldAccessible, materialError, readMaterialFile } from './file.ts';

/** A secret for the keys of session tickets that outlives the process. */
export interface TicketSecretMaterial {
  readonly text: string;
  /** Each names the file and what to do. */
  readonly warnings: readonly string[];
}

const MAX_SECRET_BYTES = 4096;
/** As many as a random key of 16 bytes has hexadecimal digits. */
const MIN_SECRET_LENGTH = 32;

/** The secret of a service; undefined where none is configured. Throws TlsMaterialError, which never repeats it. */
export function loadTicketSecret({ value, file }: SecretConfig): TicketSecretMaterial | undefined {
  if (file === undefined) return value === undefined ? undefined : { text: value, warnings: [] };
  const text = readMaterialFile(file, MAX_SECRET_BYTES).toString('utf8').trim();
  if (text.length < MIN_SECRET_LENGTH || /\s/.test(text)) {
    throw materialError(
      file,
      `must hold one line of at least ${MIN_SECRET_LENGTH} characters without blanks: openssl rand -hex 32 makes one`,
    );
  }
  const isOpen = isWorldAccessible(file);
  return { text, warnings: isOpen ? [`${file}: holds a secret and every account can read it: chmod 600`] : [] };
}
