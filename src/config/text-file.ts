import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import { messageOf } from '../errors.ts';

/** A whole text, or why there is none: a clause that goes on after the name of the file. */
export type TextReading = { readonly text: string } | { readonly problem: string };

export interface TextFileOptions {
  readonly maxBytes: number;
  /** Whether standard input and other descriptors (`/dev/stdin`, `/dev/fd/63`) are read to their end, however long that takes. */
  readonly streams: boolean;
}

/** Names of descriptors that the process was given, and so of what somebody writes on purpose for it to read. */
const DESCRIPTOR = /^\/(?:dev\/(?:stdin|fd\/\d{1,9})|proc\/(?:self|thread-self|\d{1,9})\/fd\/\d{1,9})$/;

/**
 * Reads a regular file of at most `maxBytes` as UTF-8. Never waits: what only looks like a file (a pipe, a device, a file
 * of the kernel that is written as events come) is a problem at once.
 */
export function readTextFile(path: string, { maxBytes, streams }: TextFileOptions): TextReading {
  const isStream = streams && DESCRIPTOR.test(path);
  try {
    // Looked at before it is opened, as opening some devices does something; and again below, as it may be another by then.
    const stats = statSync(path);
    const refusal = isStream ? undefined : refuseKind(stats, DESCRIPTOR.test(path));
    if (refusal !== undefined) return { problem: refusal };
    if (stats.isFile() && stats.size > maxBytes) return { problem: tooLarge(maxBytes) };
    return decode(isStream ? readStream(path, maxBytes + 1) : readFile(path, maxBytes + 1), maxBytes);
  } catch (error) {
    return { problem: describeFailure(error) };
  }
}

/**
 * The names of the regular files in a folder, at most `maxCount` of them, sorted by code unit. Links that lead nowhere are
 * passed over, as by stunnel.
 */
export function listTextFiles(folder: string, maxCount: number): readonly string[] {
  const names: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted(byName)) {
    if (names.length === maxCount) break;
    const isFile = entry.isSymbolicLink() ? isRegularFile(`${folder}/${entry.name}`) : entry.isFile();
    if (isFile) names.push(entry.name);
  }
  return names;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

function isRegularFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function refuseKind(stats: Stats, isDescriptor: boolean): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'is a folder; name the configuration file in it';
  if (isDescriptor)
    return 'is a stream that was read at the start and cannot be read again; use a file to load it anew';
  const kind = stats.isFIFO() ? 'a pipe' : stats.isSocket() ? 'a socket' : 'a device';
  return `is ${kind}, not a file; to pass a configuration through a pipe, name /dev/stdin`;
}

// Opened anew, as the one that was inherited may be non-blocking. A socket cannot be: that one is read itself.
function readStream(path: string, limitBytes: number): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (codeOf(error) !== 'ENXIO') throw error;
    return readAtMost(Number(/\d+$/.exec(path)?.[0] ?? 0), limitBytes);
  }
  try {
    return readAtMost(descriptor, limitBytes);
  } finally {
    closeSync(descriptor);
  }
}

// Not blocking: a pipe that came in between does not keep us, nor does a file of /proc that is read as events come.
function readFile(path: string, limitBytes: number): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const refusal = refuseKind(fstatSync(descriptor), false);
    if (refusal !== undefined) throw new Refusal(refusal);
    return readAtMost(descriptor, limitBytes);
  } finally {
    closeSync(descriptor);
  }
}

// Bounded also where the size is not known beforehand: a stream, a file of /proc.
function readAtMost(descriptor: number, limitBytes: number): Buffer {
  const buffer = Buffer.alloc(limitBytes);
  let length = 0;
  while (length < limitBytes) {
    const count = readSync(descriptor, buffer, length, limitBytes - length, null);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

function decode(bytes: Buffer, maxBytes: number): TextReading {
  if (bytes.length > maxBytes) return { problem: tooLarge(maxBytes) };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { problem: 'is UTF-16; save it as UTF-8' };
  if (bytes.includes(0)) return { problem: 'is not text; name a YAML file or a stunnel.conf' };
  return { text: bytes.toString('utf8') };
}

function tooLarge(maxBytes: number): string {
  return `is larger than ${maxBytes} bytes, which no configuration needs`;
}

class Refusal extends Error {}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  ENOTDIR: 'does not exist: a part of its path is not a folder',
  EAGAIN: 'has nothing to read yet; it is no ordinary file',
};

function describeFailure(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  return FAILURES[codeOf(error)] ?? `cannot be read: ${messageOf(error)}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
