/** What a command may touch of the process: its streams, its environment, its exit code. Tests hand in their own. */
export interface CliIo {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** 0 done, 1 runtime failure, 2 usage or configuration, 3 blocked (`probe`). The last call wins. */
  exit(code: 0 | 1 | 2 | 3): void;
}

/** Whether a stream may carry colour: a terminal, and no `NO_COLOR` in the environment. */
export function hasColor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}
