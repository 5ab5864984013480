import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Problem } from '../errors.ts';
import type { Foreground, StunnelHost } from '../stunnel/host.ts';
import { MAX_INCLUDED_FILES, type StunnelSources } from '../stunnel/include.ts';
import { looksLikeStunnel, looksLikeYaml, readStunnel } from '../stunnel/reader.ts';
import { type Remarks, readRemarks } from '../stunnel/remark.ts';
import type { ConfigResult } from './config.ts';
import type { RawPath, RawResult } from './raw.ts';
import { listTextFiles, readTextFile } from './text-file.ts';
import { type ConfigRole, validate } from './validate.ts';
import { MAX_CONFIG_BYTES, readYaml } from './yaml.ts';

/** What loading gives, and where its values stand, for problems that show themselves later: in a certificate, say. */
export interface LoadedConfig extends ConfigResult {
  /** 0 where nothing is known. */
  lineOf(path: RawPath): number;
  /** What was read, by the name that problems have for it. */
  readonly texts: ReadonlyMap<string, string>;
  /** What a stunnel.conf says about the foreground, or leaves at stunnel's default; undefined for YAML. */
  readonly foreground: Foreground | undefined;
  /** It could not be had at all, which another try may mend: nothing is known to be wrong with it. */
  readonly isAway?: boolean;
}

export interface FileAccess {
  /** Whether `file` may be standard input or another descriptor. For a command that reads it once: reading waits for its end. */
  readonly streams?: boolean;
  /** As whom a stunnel.conf is read. A host that is `stunnel` takes for one whatever is not clearly YAML. */
  readonly host?: StunnelHost;
  /** What the configuration is for; left out: the gateway. */
  readonly role?: ConfigRole;
}

/**
 * Reads and checks a configuration of either format. Never throws for anything the file holds or fails to be: a
 * configuration is there when no problem is an error. Certificates and keys are not looked at.
 */
export function loadConfig(file: string, cwd: string = process.cwd(), access: FileAccess = {}): LoadedConfig {
  const { document, problems, texts, foreground } = loadDocument(file, cwd, access);
  if (document === undefined) return { config: undefined, problems, lineOf: () => 0, texts, foreground };
  const result = validate(document, { cores: availableParallelism(), cwd, role: access.role ?? 'gateway' });
  const hasErrors = problems.some((problem) => problem.severity === 'error');
  return {
    config: hasErrors ? undefined : result.config,
    problems: mergeProblems(problems, result.problems),
    lineOf: (path) => document.lineOf(path),
    texts,
    foreground,
  };
}

export interface LoadedDocument extends RawResult, Pick<LoadedConfig, 'texts' | 'foreground'> {
  /** Reads what a stunnel.conf and the files it includes say to people; nothing of YAML. */
  readonly readRemarks: () => Remarks;
  /** The file, and the files and folders it includes, those missing too: absolute paths. */
  readonly sources: readonly string[];
}

const NO_REMARKS: Remarks = { remarks: [], sectionCount: 0 };

/** Reads a file as what its content shows it to be, without checking what it says. */
export function loadDocument(file: string, cwd: string, access: FileAccess = {}): LoadedDocument {
  const { streams = false, host = 'run' } = access;
  const sources = [resolve(cwd, file)];
  const texts = new Map<string, string>();
  const reading = readTextFile(resolve(cwd, file), { maxBytes: MAX_CONFIG_BYTES, streams });
  if ('problem' in reading) {
    const problems = [readProblem(file, reading.problem)];
    return { document: undefined, problems, sources, texts, foreground: undefined, readRemarks: () => NO_REMARKS };
  }
  const { text } = reading;
  texts.set(file, text);
  if (host === 'stunnel' ? looksLikeYaml(text) : !looksLikeStunnel(text)) {
    return { ...readYaml(text, file), sources, texts, foreground: undefined, readRemarks: () => NO_REMARKS };
  }
  const disk = diskSources(
    cwd,
    (path) => sources.push(path),
    (name, included) => texts.set(name, included),
  );
  const result = readStunnel(text, file, disk, host);
  return {
    ...result,
    sources,
    texts,
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

/** Options of stunnel, and a key of ours, whose value is a secret itself, and not the name of a file. */
const SECRET = /^(\s*(?:protocolPassword|ticketKeySecret|ticketMacSecret|icapgw\.tls\.ticket-secret)\s*=).*$/i;

/** The line a problem is about, as it was written, but for secrets; undefined where it is about none. */
export function lineOfProblem({ file, line }: Problem, texts: ReadonlyMap<string, string>): string | undefined {
  const text = line === 0 ? undefined : texts.get(file);
  return text
    ?.replace(/^\uFEFF/, '')
    .split('\n')
    [line - 1]?.replaceAll('\r', '')
    .replace(SECRET, '$1 ***');
}

function readProblem(file: string, message: string): Problem {
  return { severity: 'error', file, line: 0, message, code: 'ICAPGW_CONFIG_READ' };
}

/** `onPath` is told each file and folder that is read, `onText` what the files hold. */
function diskSources(
  cwd: string,
  onPath: (path: string) => void,
  onText: (name: string, text: string) => void = () => {},
): StunnelSources {
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
      onText(path, reading.text);
      return reading.text;
    },
  };
}
