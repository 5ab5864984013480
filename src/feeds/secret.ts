import type { SecretConfig } from '../config/feed-config.ts';
import { readTextFile } from '../config/text-file.ts';
import { ConfigError } from '../errors.ts';

const MAX_SECRET_BYTES = 4096;

/**
 * The secret itself, from the configuration or from its file, without blanks around it; undefined where none is set.
 * `key` is what the configuration calls the file. Throws `ConfigError`, which names the file and never what it holds.
 */
export function readSecret({ value, file }: SecretConfig, key: string): string | undefined {
  if (file === undefined) return value;
  const reading = readTextFile(file, { maxBytes: MAX_SECRET_BYTES, streams: false });
  if ('problem' in reading) throw refusal(file, `${key}: ${file} ${reading.problem}`);
  const secret = reading.text.trim();
  if (secret === '') throw refusal(file, `${key}: ${file} is empty; make a secret with: openssl rand -hex 32`);
  if (/\s|\p{Cc}/u.test(secret)) throw refusal(file, `${key}: ${file} must hold one line without blanks`);
  return secret;
}

function refusal(file: string, message: string): ConfigError {
  return new ConfigError(
    'ICAPGW_CONFIG_INVALID',
    [{ severity: 'error', file, line: 0, message, code: 'ICAPGW_CONFIG_INVALID' }],
    { detail: message },
  );
}
