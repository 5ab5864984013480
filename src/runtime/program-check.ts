import { accessSync, constants, statSync } from 'node:fs';
import type { ServiceConfig } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import { messageOf } from '../errors.ts';

/** A program that cannot be started, by the key that names it. */
export interface ProgramTrouble {
  readonly path: RawPath;
  readonly message: string;
}

/** Looks whether the programs of a service are there and may be executed by who the process is now. Starts nothing. */
export function programTroubles({ listen, backends }: ServiceConfig): readonly ProgramTrouble[] {
  const named = [
    ...listen.map((address) => ({ path: ['listen'], address })),
    ...backends.map(({ address }, index) => ({ path: ['backends', index, 'address'], address })),
  ];
  return named.flatMap(({ path, address }) => {
    const message = address.kind === 'exec' ? troubleOf(address.program) : undefined;
    return message === undefined ? [] : [{ path, message }];
  });
}

function troubleOf(program: string): string | undefined {
  if (process.platform === 'win32') return 'exec: is not available on Windows; let the program listen on a port';
  try {
    if (!statSync(program).isFile()) return `exec: ${program} is no file; name a program`;
    accessSync(program, constants.X_OK);
    return undefined;
  } catch (error) {
    return `exec: ${program} cannot be executed: ${messageOf(error)}`;
  }
}
