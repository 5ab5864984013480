import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Problem } from '../errors.ts';
import { MAX_INCLUDED_FILES, type StunnelSources } from '../stunnel/include.ts';
import { looksLikeStunnel, readStunnel } from '../stunnel/reader.ts';
import { type Remarks, readRemarks } from '../stunnel/remark.ts';
import type { ConfigResult } from './config.ts';
import type { RawPath, RawResult } from './raw.ts';
import { listTextFiles, readTextFile } from './text-file.ts';
import { validate } from './validate.ts';
import { MAX_CONFIG_BYTES, readYaml } from './yaml.ts';

/** What loading gives, and where its values stand, for problems that show themselves later: in a certificate, say. */
export interface LoadedConfig extends ConfigResult {
  /** 0 where nothing is known. */
  lineOf(path: RawPath): number;
}

export interface FileAccess {
  /** Whether `file` may be standard input or another descriptor. For a command that reads it once: reading waits for its end. */
  readonly streams?: boolean;
}

/**
 * Reads and checks a configuration of either format. Never throws for anything the file holds or fails to be: a
 * configuration is there when no problem is an error. Certificates and keys are not looked at.
 */
export function loadConfig(file: string, cwd: string = process.cwd(), access: FileAccess = {}): LoadedConfig {
  const { document, problems } = loadDocument(file, cwd, access);
  if (document === undefined) return { config: undefined, problems, lineOf: () => 0 };
  const result = validate(document, { cores: availableParallelism(), cwd });
  const hasErrors = problems.some((problem) => problem.severity === 'error');
  return {
    config: hasErrors ? undefined : result.config,
    problems: mergeProblems(problems, result.problems),
    lineOf: (path) => document.lineOf(path),
  };
}

export interface LoadedDocument extends RawResult {
  /** Reads what a stunnel.conf and the files it includes say to people; nothing of YAML. */
  readonly readRemarks: () => Remarks;
  /** The file, and the files and folders it includes, those missing too: absolute paths. */
  readonly sources: readonly string[];
}

const NO_REMARKS: Remarks = { remarks: [], sectionCount: 0 };

/** Reads a file as what its content shows it to be, without checking what it says. */
export function loadDocument(file: string, cwd: string, { streams = false }: FileAccess = {}): LoadedDocument {
  const sources = [resolve(cwd, file)];
  const reading = readTextFile(resolve(cwd, file), { maxBytes: MAX_CONFIG_BYTES, streams });
  if ('problem' in reading) {
    const problems = [readProblem(file, reading.problem)];
    return { document: undefined, problems, sources, readRemarks: () => NO_REMARKS };
  }
  const { text } = reading;
  if (!looksLikeStunnel(text)) return { ...readYaml(text, file), sources, readRemarks: () => NO_REMARKS };
  const disk = diskSources(cwd, (path) => sources.push(path));
  const result = readStunnel(text, file, disk);
  return {
    ...result,
    sources,
    readRemarks: () =>
      readRemarks(
        text,
        file,
        diskSources(cwd, () => {}),
      ),
  };
}

/** What the reader and the validator said, in the order of the lines. */
export function mergeProblems(read: readonly Problem[], checked: readonly Problem[]): readonly Problem[] {
  return [...read, ...checked].toSorted((a, b) => a.line - b.line);
}

function readProblem(file: string, message: string): Problem {
  return { severity: 'error', file, line: 0, message, code: 'ICAPGW_CONFIG_READ' };
}

/** `onPath` is told each file and folder that is read. */
function diskSources(cwd: string, onPath: (path: string) => void): StunnelSources {
  return {
    readDirectory(path) {
      const folder = resolve(cwd, path);
      onPath(folder);
      return listTextFiles(folder, MAX_INCLUDED_FILES + 1);
    },
    readFile(path) {
      onPath(resolve(cwd, path));
      const reading = readTextFile(resolve(cwd, path), { maxBytes: MAX_CONFIG_BYTES, streams: false });
      if ('problem' in reading) throw new Error(reading.problem);
      return reading.text;
    },
  };
}
