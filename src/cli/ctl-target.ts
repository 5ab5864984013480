import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type CtlTarget, parseCtlAddress } from './ctl-client.ts';
import type { CliIo } from './io.ts';

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
