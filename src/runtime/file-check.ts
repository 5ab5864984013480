import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import { ConfigError, type Problem } from '../errors.ts';
import { loadToken } from '../observe/admin-guard.ts';
import { verifyBlockList } from './block-list-file.ts';
import { verifyFeed } from './feed-check.ts';
import { openSecretProblem } from './open-secret.ts';

/** A file that will be written, by the key that names it. */
interface Output {
  readonly path: RawPath;
  readonly file: string | undefined;
}

/**
 * Looks at the files a configuration names beside certificates, so that a start does not fail half-way over one: whether
 * the token can be read and what is to be written has a folder. Nothing is made.
 */
export async function verifyFiles(config: Config, lineOf: (path: RawPath) => number): Promise<Problem[]> {
  const { log, pidFile, admin } = config;
  const outputs: readonly Output[] = [
    { path: ['log', 'file'], file: log.file === '-' || log.file === 'off' ? undefined : log.file },
    { path: ['log', 'access'], file: log.access === '-' || log.access === 'off' ? undefined : log.access },
    { path: ['pid-file'], file: pidFile },
  ];
  const error = (path: RawPath, message: string): Problem => {
    return { severity: 'error', file: config.file, line: lineOf(path), message, code: 'ICAPGW_CONFIG_INVALID' };
  };
  const problems = outputs.flatMap(({ path, file }) => {
    const trouble = file === undefined ? undefined : describeTrouble(file);
    return trouble === undefined ? [] : [error(path, `${path.join('.')}: ${trouble}`)];
  });
  const token = admin.tokenFile === undefined ? [] : await tokenTroubles(admin.tokenFile);
  return [
    ...problems,
    ...token.map((message) => error(['admin', 'token-file'], message)),
    ...verifyBlockList(config, lineOf),
    ...verifyFeed(config, lineOf),
    ...verifyTicketSecrets(config, lineOf),
  ];
}

function verifyTicketSecrets({ services, file }: Config, lineOf: (path: RawPath) => number): Problem[] {
  return services.flatMap(({ tls }, index) => {
    if (tls?.ticketSecret.value === undefined) return [];
    const line = lineOf(['services', index, 'tls', 'ticket-secret']);
    return openSecretProblem(file, line, 'the secret of the session tickets') ?? [];
  });
}

function describeTrouble(file: string): string | undefined {
  const folder = dirname(file);
  if (!isFolder(folder)) {
    return `there is no folder ${folder}; make it, and let the user that icapgw runs as write to it`;
  }
  return isFolder(file) ? `${file} is a folder; name a file in it` : undefined;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Missing, or behind something that is no folder or may not be looked into: of no use in any case.
    return false;
  }
}

async function tokenTroubles(file: string): Promise<readonly string[]> {
  try {
    await loadToken(file);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ message }) => message);
  }
}
