import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** From the top down: a folder imports from the layers below its own, and from nowhere else. */
const LAYERS: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['runtime'],
  ['gateway'],
  ['health', 'demo', 'probe', 'feeds'],
  ['net'],
  ['tls', 'observe'],
  ['config', 'policy'],
  ['icap', 'balance', 'stunnel'],
  ['errors.ts', 'program-files.ts'],
];

/** What a configuration looks like is a language that every layer speaks: anybody may import these types. */
const VOCABULARY: readonly string[] = [
  'config/config.ts',
  'config/feed-config.ts',
  'config/icap-config.ts',
  'config/log-config.ts',
  'config/raw.ts',
];

/** These decide and parse, and leave doing to others: no sockets, no disk, no clock of their own. */
const PURE: readonly string[] = ['icap', 'balance', 'stunnel', 'policy', 'config'];
const IMPURE_IMPORT = /^node:(?:net|tls|dgram|http|https|dns|fs|timers|worker_threads|child_process|process)(?:\/|$)/;
const IMPURE_GLOBAL =
  /(?<![.\w])(?:setTimeout|setInterval|setImmediate|Date\.now|performance\.now|process\.(?:cwd|env|hrtime|nextTick|on|platform))\b/;

/** The parts of a pure folder that are not. */
const IMPURE: Readonly<Record<string, string>> = {
  'config/load.ts': 'node:os',
  'config/text-file.ts': 'node:fs',
  // BlockList and SocketAddress hold addresses and open nothing.
  'policy/source-list.ts': 'node:net',
};

const MAX_LINES = 300;
const LONGER: readonly string[] = [];

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
  /** Loaded when a function asks for it, not with its file. */
  readonly isLazy: boolean;
}

interface SourceFile {
  /** From `src`, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const FILES: readonly SourceFile[] = globSync('**/*.ts', { cwd: SRC }).map((name) => {
  const text = readFileSync(join(SRC, name), 'utf8');
  return { path: name.split(sep).join('/'), text, imports: importsOf(text) };
});

function importsOf(text: string): Import[] {
  const statements = [...text.matchAll(/^(?:import|export)\b(?:([\w\s{},*]*?)\bfrom)? *'([^']+)'/gm)];
  const calls = [...text.matchAll(/\bimport\('([^']+)'\)/g)];
  return [
    ...statements.map(([, what = '', specifier = '']) => ({
      ...{ specifier, isType: /^\s*type\b/.test(what), isLazy: false },
    })),
    ...calls.map(([, specifier = '']) => ({ specifier, isType: false, isLazy: true })),
  ];
}

function isRelative({ specifier }: Import): boolean {
  return specifier.startsWith('.');
}

/** Where a relative import leads, from `src`. */
function targetOf(from: SourceFile, { specifier }: Import): string {
  return relative(SRC, resolve(SRC, dirname(from.path), specifier))
    .split(sep)
    .join('/');
}

function layerOf(path: string): number {
  const [folder = ''] = path.split('/');
  return LAYERS.findIndex((layer) => layer.includes(folder));
}

function isAllowed(from: SourceFile, imported: Import): boolean {
  const target = targetOf(from, imported);
  if (target.split('/')[0] === from.path.split('/')[0]) return true;
  if (imported.isType && VOCABULARY.includes(target)) return true;
  return layerOf(target) > layerOf(from.path);
}

/** One line for each import that `isWrong` says so of, for a failure that can be read. */
function wrongImports(isWrong: (from: SourceFile, imported: Import) => boolean): string[] {
  return FILES.flatMap((from) =>
    from.imports
      .filter((imported) => isWrong(from, imported))
      .map(({ specifier }) => `src/${from.path} imports ${specifier}`),
  );
}

function pathsOf(isWrong: (file: SourceFile) => boolean): string[] {
  return FILES.filter(isWrong).map(({ path }) => path);
}

describe('the source tree', () => {
  test('has no folder without a layer', () => {
    expect(pathsOf(({ path }) => layerOf(path) === -1)).toEqual([]);
  });

  test('is imported downwards only', () => {
    expect(wrongImports((from, imported) => isRelative(imported) && !isAllowed(from, imported))).toEqual([]);
  });

  test('imports nothing of its own from outside of src', () => {
    expect(wrongImports((from, imported) => isRelative(imported) && targetOf(from, imported).startsWith('..'))).toEqual(
      [],
    );
  });

  test('names the files it imports in full', () => {
    expect(
      wrongImports(
        (from, imported) =>
          isRelative(imported) && !statSync(join(SRC, targetOf(from, imported)), { throwIfNoEntry: false })?.isFile(),
      ),
    ).toEqual([]);
  });

  test('says node: before what comes with the runtime', () => {
    const dependencies = Object.keys(
      JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8')).dependencies as Record<string, string>,
    );
    const isKnown = ({ specifier }: Import): boolean =>
      specifier.startsWith('node:') || dependencies.some((name) => specifier === name);
    expect(wrongImports((_, imported) => !isRelative(imported) && !isKnown(imported))).toEqual([]);
  });

  test('has no file that only passes on what others export', () => {
    const isBarrel = ({ text }: SourceFile): boolean => {
      const passedOn = /^export\s+(?:type\s+)?(?:\*|\{[^}]*\}\s*from\b)/gm;
      return passedOn.test(text) && !/^export\b/m.test(text.replaceAll(passedOn, ''));
    };
    expect(pathsOf((file) => isBarrel(file) || /(?:^|\/)index\.ts$/.test(file.path))).toEqual([]);
  });

  test('leaves arguments and the exit code to main.ts', () => {
    expect(pathsOf(({ text }) => /\bprocess\.(?:argv|exitCode)\b/.test(text))).toEqual(['main.ts']);
    expect(pathsOf(({ text }) => /\bprocess\.(?:exit|abort|reallyExit)\b/.test(text))).toEqual([]);
  });

  test('keeps its files short', () => {
    const long = pathsOf(({ text }) => text.split('\n').length > MAX_LINES + 1);
    expect(long.sort()).toEqual([...LONGER].sort());
  });
});

/** What loads with a file, from `src` or from outside of it. */
function loadedWith(path: string, found: Set<string> = new Set()): Set<string> {
  const file = FILES.find((candidate) => candidate.path === path);
  for (const imported of file?.imports ?? []) {
    if (imported.isType || imported.isLazy) continue;
    const target = isRelative(imported) && file !== undefined ? targetOf(file, imported) : imported.specifier;
    if (found.has(target)) continue;
    found.add(target);
    loadedWith(target, found);
  }
  return found;
}

describe('what takes long to load', () => {
  const SLOW = ['node-forge', 'prom-client', 'amqplib', 'file-type', 'node:http', 'node:https', 'node:sqlite'];

  test.each([
    ['the command line', 'main.ts'],
    ['the start of a gateway', 'runtime/run.ts'],
    ['the reading of its configuration', 'config/load.ts'],
    ['the reading of its keys', 'runtime/material.ts'],
    ['a worker', 'runtime/worker.ts'],
  ])('is not in the way of %s', (_, path) => {
    const loaded = loadedWith(path);
    expect(loaded.size).toBeGreaterThan(3);
    expect(SLOW.filter((name) => loaded.has(name))).toEqual([]);
  });
});

describe.each(PURE)('%s', (folder) => {
  const files = FILES.filter(({ path }) => path.startsWith(`${folder}/`));

  test('touches neither sockets nor disk nor threads', () => {
    const wrong = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, isType }) => !isType && IMPURE_IMPORT.test(specifier) && IMPURE[path] !== specifier)
        .map(({ specifier }) => `src/${path} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test('is told the time and where it runs', () => {
    const impure = files.filter(({ path, text }) => !(path in IMPURE) && IMPURE_GLOBAL.test(withoutComments(text)));
    expect(impure.map(({ path }) => path)).toEqual([]);
  });
});

test('every exception is still needed', () => {
  for (const [path, specifier] of Object.entries(IMPURE)) {
    const file = FILES.find((candidate) => candidate.path === path);
    expect(file?.imports.map((imported) => imported.specifier)).toContain(specifier);
  }
});

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
