import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CliIo } from './io.ts';

/** Where the admin endpoint is, and how to be let in. */
export interface CtlTarget {
  /** As the user knows it. */
  readonly text: string;
  readonly address: { readonly host: string; readonly port: number } | { readonly socketPath: string };
  readonly tokenFile: string | undefined;
}

interface TargetFlags {
  readonly admin?: string;
  readonly tokenFile?: string;
}

const DEFAULT_ADMIN = '127.0.0.1:9344';

export function addTargetOptions(command: Command, { cwd }: CliIo): void {
  command
    .option('--admin <address>', 'its admin endpoint, HOST:PORT or unix:/PATH')
    .option('--token-file <file>', 'the file with its token, as admin.token-file', (file) => resolve(cwd, file));
}

/** Which gateway is meant, by the options of a command and those above it, or by the environment. */
export function targetOf(command: Command, { env, cwd }: CliIo): CtlTarget {
  const { admin, tokenFile } = command.optsWithGlobals<TargetFlags>();
  const text = admin ?? (env['ICAPGW_ADMIN'] || DEFAULT_ADMIN);
  const address = parseCtlAddress(text);
  if (address === undefined) {
    const source = admin === undefined ? 'ICAPGW_ADMIN' : '--admin';
    command.error(`error: ${source} must be HOST:PORT, such as ${DEFAULT_ADMIN}, or unix:/PATH, not ${text}`);
  }
  const tokenEnv = env['ICAPGW_TOKEN_FILE'];
  return { text, address, tokenFile: tokenFile ?? (tokenEnv ? resolve(cwd, tokenEnv) : undefined) };
}

/** Reads `HOST:PORT`, `http://HOST:PORT` or `unix:/PATH`; undefined where it is none of these. */
function parseCtlAddress(given: string): CtlTarget['address'] | undefined {
  if (given.startsWith('unix:/')) return { socketPath: given.slice('unix:'.length) };
  const url = URL.parse(/^http:\/\//i.test(given) ? given : `http://${given}`);
  if (url === null || url.hostname === '' || url.pathname !== '/' || url.search + url.username !== '') return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  // A port of 80 is not kept by the parser of URLs.
  return /:\d+\/?$/.test(given) ? { host, port: Number(url.port || 80) } : undefined;
}
