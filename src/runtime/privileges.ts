import { lchown, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { messageOf, RuntimeError } from '../errors.ts';

type Account = Pick<Config, 'setuid' | 'setgid'>;

/** As the log makes its files. */
const FILE_MODE = 0o640;

/**
 * Makes those of the files that are not there yet, for the user that the process is going to be: it has to open them again
 * then. Throws `ICAPGW_PRIVILEGES` where there is no such user, `ICAPGW_LOG_FILE` where a file cannot be made.
 */
export async function createLogFiles(account: Account, files: readonly string[]): Promise<void> {
  if (account.setuid === undefined && account.setgid === undefined) return;
  const { uid, gid } = numbersOf(account);
  for (const file of files) {
    try {
      // Only what is new changes hands, and by its handle: the folder may belong to somebody who puts a link there.
      await using handle = await open(file, 'wx', FILE_MODE);
      await handle.chown(uid, gid);
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') continue;
      throw new RuntimeError('ICAPGW_LOG_FILE', { detail: `${file}: ${messageOf(cause)}`, cause });
    }
  }
}

/**
 * Does something with the rights of the user that the process is going to be, as far as files are concerned, and nothing
 * else meanwhile: the folder of a log may belong to that user, who must not have root write elsewhere by a link in it.
 * Throws as `giveSocket`, and what the action throws.
 */
export async function withRightsOf<T>(account: Account, action: () => Promise<T>): Promise<T> {
  if ((account.setuid === undefined && account.setgid === undefined) || process.geteuid?.() !== 0)
    return await action();
  const { uid, gid } = numbersOf(account);
  const { getegid, getgroups, setegid, seteuid, setgroups } = process as Required<NodeJS.Process>;
  const before = { gid: getegid(), groups: getgroups() };
  try {
    setgroups([gid]);
    setegid(gid);
    seteuid(uid);
    return await action();
  } finally {
    seteuid(0);
    setegid(before.gid);
    setgroups(before.groups);
  }
}

/**
 * Hands a socket over to the user that the process is going to be, who alone may connect to it. Throws `ICAPGW_PRIVILEGES`
 * where there is no such user or the change is not permitted.
 */
export async function giveSocket(account: Account, path: string): Promise<void> {
  if (account.setuid === undefined && account.setgid === undefined) return;
  const { uid, gid } = numbersOf(account);
  try {
    // Never what a link leads to: the folder may belong to somebody else.
    await lchown(path, uid, gid);
  } catch (cause) {
    throw refused(account, cause);
  }
}

/**
 * Hands files over to the user that the process is going to be; those that are not there are passed over. The folder goes
 * with them unless others share it. Throws as `giveSocket`.
 */
export async function giveFiles(account: Account, folder: string, names: readonly string[]): Promise<void> {
  if (account.setuid === undefined && account.setgid === undefined) return;
  const { uid, gid } = numbersOf(account);
  try {
    const isOwnFolder = (await readdir(folder)).every((name) => names.some((own) => name.startsWith(own)));
    if (isOwnFolder) await lchown(folder, uid, gid);
    for (const name of names) {
      // Never what a link leads to: the folder may belong to somebody else.
      await lchown(join(folder, name), uid, gid).catch((error: unknown) => {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      });
    }
  } catch (cause) {
    throw refused(account, cause);
  }
}

/**
 * Gives up what the process was started with, for good and for all its threads: it is `setuid` and `setgid` from here on,
 * in no other group. Only for the main thread. Returns whether that was wanted. Throws `ICAPGW_PRIVILEGES` where a name is unknown or the change is not
 * permitted; a process that is that user and group already is left alone.
 */
export function dropPrivileges(account: Account): boolean {
  const { setuid, setgid } = account;
  if (setuid === undefined && setgid === undefined) return false;
  const system = requireAccounts(account);
  try {
    if (setgid !== undefined) system.setgid(idOf(setgid));
    // Root's other groups would stay. A service manager that chose the user has chosen the groups too.
    if (system.geteuid() === 0) system.setgroups([system.getgid()]);
    if (setuid !== undefined) system.setuid(idOf(setuid));
    return true;
  } catch (cause) {
    throw refused(account, cause);
  }
}

// Becoming an account for a moment is the only way from its name to its number.
function numbersOf(account: Account): { readonly uid: number; readonly gid: number } {
  const { setuid, setgid } = account;
  const system = requireAccounts(account);
  const [uid, gid] = [system.geteuid(), system.getegid()];
  try {
    if (setgid !== undefined) system.setegid(idOf(setgid));
    if (setuid !== undefined) system.seteuid(idOf(setuid));
    return { uid: system.geteuid(), gid: system.getegid() };
  } catch (cause) {
    throw refused(account, cause);
  } finally {
    system.seteuid(uid);
    system.setegid(gid);
  }
}

type AccountCall = 'getegid' | 'geteuid' | 'getgid' | 'setegid' | 'seteuid' | 'setgid' | 'setgroups' | 'setuid';

// Windows has none of them.
function requireAccounts(account: Account): Required<Pick<NodeJS.Process, AccountCall>> {
  const { getegid, geteuid, getgid, setegid, seteuid, setgid, setgroups, setuid } = process;
  if (
    getegid === undefined ||
    geteuid === undefined ||
    getgid === undefined ||
    setegid === undefined ||
    seteuid === undefined ||
    setgid === undefined ||
    setgroups === undefined ||
    setuid === undefined
  ) {
    throw refused(account, new Error('this system has no such users'));
  }
  return { getegid, geteuid, getgid, setegid, seteuid, setgid, setgroups, setuid };
}

function idOf(account: string): string | number {
  return /^\d+$/.test(account) ? Number(account) : account;
}

/** The account that there is none of, where that is why an account could not be taken. */
function unknownAccount(cause: unknown): { readonly kind: 'user' | 'group'; readonly name: string } | undefined {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_UNKNOWN_CREDENTIAL')) return undefined;
  const [, kind, name] = /^(User|Group) identifier does not exist: (.*)$/.exec(cause.message) ?? [];
  return name === undefined ? undefined : { kind: kind === 'User' ? 'user' : 'group', name };
}

function refused({ setuid, setgid }: Account, cause: unknown): RuntimeError {
  const wanted = [
    ...(setuid === undefined ? [] : [`user ${setuid}`]),
    ...(setgid === undefined ? [] : [`group ${setgid}`]),
  ].join(' and ');
  const unknown = unknownAccount(cause);
  if (unknown !== undefined) {
    const { kind, name } = unknown;
    const detail = `there is no ${kind} ${name} on this machine; name one that "getent" knows, or remove the line`;
    return new RuntimeError('ICAPGW_PRIVILEGES', { detail, cause });
  }
  return new RuntimeError('ICAPGW_PRIVILEGES', {
    detail:
      `${wanted}: ${messageOf(cause)}; start as root with names that "getent passwd" and "getent group" know, ` +
      'or remove setuid and setgid and let the service manager choose the user',
    cause,
  });
}
