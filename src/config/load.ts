import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { messageOf, type Problem } from '../errors.ts';
import type { StunnelSources } from '../stunnel/include.ts';
import { looksLikeStunnel, readStunnel } from '../stunnel/reader.ts';
import type { ConfigResult } from './config.ts';
import type { RawPath, RawResult } from './raw.ts';
import { validate } from './validate.ts';
import { MAX_CONFIG_BYTES, readYaml } from './yaml.ts';

/** What loading gives, and where its values stand, for problems that show themselves later: in a certificate, say. */
export interface LoadedConfig extends ConfigResult {
  /** 0 where nothing is known. */
  lineOf(path: RawPath): number;
}

/**
 * Reads and checks a configuration of either format. Never throws for anything the file holds or fails to be: a
 * configuration is there when no problem is an error. Certificates and keys are not looked at.
 */
export function loadConfig(file: string, cwd: string = process.cwd()): LoadedConfig {
  const { document, problems } = loadDocument(file, cwd);
  if (document === undefined) return { config: undefined, problems, lineOf: () => 0 };
  const result = validate(document, { cores: availableParallelism(), cwd });
  const hasErrors = problems.some((problem) => problem.severity === 'error');
  return {
    config: hasErrors ? undefined : result.config,
    problems: mergeProblems(problems, result.problems),
    lineOf: (path) => document.lineOf(path),
  };
}

/** A document with the text it was read from; the text is empty where there is none. */
export interface LoadedDocument extends RawResult {
  readonly text: string;
  /** The file, and the files and folders it includes, those missing too: absolute paths. */
  readonly sources: readonly string[];
}

/** Reads a file as what its content shows it to be, without checking what it says. */
export function loadDocument(file: string, cwd: string): LoadedDocument {
  const sources = [resolve(cwd, file)];
  const text = loadText(resolve(cwd, file));
  if (typeof text !== 'string') {
    return { document: undefined, problems: [readProblem(file, text.problem)], text: '', sources };
  }
  const onPath = (path: string): unknown => sources.push(path);
  const result = looksLikeStunnel(text) ? readStunnel(text, file, diskSources(cwd, onPath)) : readYaml(text, file);
  return { ...result, text, sources };
}

/** What the reader and the validator said, in the order of the lines. */
export function mergeProblems(read: readonly Problem[], checked: readonly Problem[]): readonly Problem[] {
  return [...read, ...checked].toSorted((a, b) => a.line - b.line);
}

function readProblem(file: string, message: string): Problem {
  return { severity: 'error', file, line: 0, message, code: 'ICAPGW_CONFIG_READ' };
}

function loadText(path: string): string | { readonly problem: string } {
  let bytes: Buffer;
  try {
    if (statSync(path).isDirectory()) return { problem: 'is a folder; name the configuration file in it' };
    bytes = readAtMost(path, MAX_CONFIG_BYTES + 1);
  } catch (error) {
    return { problem: describeFailure(error) };
  }
  if (bytes.length > MAX_CONFIG_BYTES) {
    return { problem: `is larger than ${MAX_CONFIG_BYTES} bytes, which no configuration needs` };
  }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { problem: 'is UTF-16; save it as UTF-8' };
  if (bytes.includes(0)) return { problem: 'is not text; name a YAML file or a stunnel.conf' };
  return bytes.toString('utf8');
}

// Bounded also where the size is not known beforehand: a pipe, a device.
function readAtMost(path: string, limitBytes: number): Buffer {
  const buffer = Buffer.alloc(limitBytes);
  const descriptor = openSync(path, 'r');
  try {
    let length = 0;
    while (length < limitBytes) {
      const count = readSync(descriptor, buffer, length, limitBytes - length, null);
      if (count === 0) break;
      length += count;
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  ENOTDIR: 'does not exist: a part of its path is not a folder',
};

function describeFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return FAILURES[code] ?? `cannot be read: ${messageOf(error)}`;
}

/** `onPath` is told each file and folder that is read. */
function diskSources(cwd: string, onPath: (path: string) => void): StunnelSources {
  return {
    readDirectory(path) {
      const folder = resolve(cwd, path);
      onPath(folder);
      return readdirSync(folder).filter((name) => statSync(resolve(folder, name)).isFile());
    },
    readFile(path) {
      onPath(resolve(cwd, path));
      return readAtMost(resolve(cwd, path), MAX_CONFIG_BYTES + 1).toString('utf8');
    },
  };
}
