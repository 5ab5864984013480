import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { convertStunnel } from '../../src/config/convert.ts';
import type { RawDocument } from '../../src/config/raw.ts';
import { validate } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';
import type { Problem } from '../../src/errors.ts';
import type { StunnelSources } from '../../src/stunnel/include.ts';
import { readStunnel } from '../../src/stunnel/reader.ts';
import { readRemarks } from '../../src/stunnel/remark.ts';
import { DEBIAN_SAMPLE, readCorpus } from '../_util/stunnel-corpus.ts';

/** A tenth of what the messages get: each of these is a whole configuration, read up to three times. */
const RUNS = Math.ceil(Number(process.env['ICAPGW_FUZZ_RUNS'] ?? 3000) / 10);
const SEED = Number(process.env['ICAPGW_FUZZ_SEED'] ?? 20_568);
const BUDGET: fc.Parameters<unknown> = { seed: SEED, numRuns: RUNS };
const ENVIRONMENT = { cores: 2, cwd: '/etc/stunnel' };
const CORPUS = readCorpus();
const LINES = CORPUS.flatMap((text) => text.split('\n'));

/** What breaks parsers: controls, marks of every syntax on the way, halves of encodings, lines at the limit. */
const FRAGMENTS = [
  '\0',
  '\r',
  '\n',
  '\n\n',
  '\t',
  '\v',
  '\uFEFF',
  '\u00a0',
  '\u2028',
  '\uFFFD',
  '\u{1F600}',
  '\x1b[31m',
  '=',
  ' = ',
  '[',
  ']',
  '[]',
  '[ ]',
  '#',
  ';',
  ' ; ',
  ':',
  '::',
  '*',
  '**',
  '-',
  '"',
  "'",
  '\\',
  '{',
  '&a',
  '*a',
  '!!js',
  'icapgw.',
  'icapgw.__proto__.x = 1\n',
  'icapgw.services = []\n',
  'icapgw.backends.0.weight = .inf\n',
  'include = conf.d\n',
  'yes',
  'no',
  '-1',
  '0',
  '65536',
  '9'.repeat(40),
  '1e9',
  'x'.repeat(16_383),
  'y'.repeat(17_000),
];

const mutation = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), text: fc.constantFrom(...FRAGMENTS) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.nat(60) }),
  fc.record({ kind: fc.constant('double' as const), at: fc.nat(), length: fc.nat(200) }),
  fc.record({ kind: fc.constant('line' as const), at: fc.nat(), text: fc.constantFrom(...LINES) }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), byte: fc.nat(255) }),
);
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(text: string, change: Mutation): string {
  const at = change.at % (text.length + 1);
  if (change.kind === 'insert') return text.slice(0, at) + change.text + text.slice(at);
  if (change.kind === 'cut') return text.slice(0, at) + text.slice(at + change.length);
  if (change.kind === 'double') return text.slice(0, at + change.length) + text.slice(at);
  if (change.kind === 'line') {
    const lines = text.split('\n');
    return lines.toSpliced(change.at % lines.length, 1, change.text).join('\n');
  }
  const bytes = Buffer.from(text);
  if (bytes.length > 0) bytes[change.at % bytes.length] = change.byte;
  // As the loader reads it: what is no UTF-8 becomes a replacement character.
  return bytes.toString('utf8');
}

/** A configuration of the corpus, or two behind each other, that somebody sat down on. */
const damaged = fc
  .tuple(
    fc.constantFrom(...CORPUS),
    fc.oneof(fc.constant(''), fc.constantFrom(...CORPUS)),
    fc.array(mutation, { maxLength: 12 }),
    fc.boolean(),
  )
  .map(([first, second, changes, isWindows]) => {
    const text = changes.reduce(mutate, first + second);
    return isWindows ? text.replaceAll('\n', '\r\n') : text;
  });

/** One level of a folder; in it the same name again, so that a file may include itself. */
function sourcesOf(included: string): StunnelSources {
  return { readDirectory: () => ['a.conf'], readFile: () => included };
}

function meaningOf(document: RawDocument): Omit<Config, 'file' | 'format'> | undefined {
  const { config } = validate(document, ENVIRONMENT);
  if (config === undefined) return undefined;
  const { file: _file, format: _format, ...meaning } = config;
  return meaning;
}

/** What may be said about a whole file, as no line is to blame. */
const ABOUT_THE_FILE = /^no \[section\]|^the configuration is larger than/;

function expectPlace({ file, line, message, code }: Problem, lineCounts: ReadonlyMap<string, number>): void {
  const last = [...lineCounts].find(([name]) => file === name || file.endsWith(`/${name}`))?.[1] ?? -1;
  expect(line, `${file}: ${message}`).toBeLessThanOrEqual(last);
  expect(line > 0 || ABOUT_THE_FILE.test(message), `${file}:${line}: ${message}`).toBe(true);
  expect(message).toMatch(/\S/);
  expect(message).not.toMatch(/undefined|NaN|\[object/);
  expect(code).toMatch(/^ICAPGW_/);
}

function readAll(text: string, included: string): void {
  const sources = sourcesOf(included);
  const { document, problems } = readStunnel(text, 'stunnel.conf', sources);
  const result = document === undefined ? undefined : validate(document, ENVIRONMENT);
  const lineCounts = new Map(
    [text, included].map((each, i) => [['stunnel.conf', 'a.conf'][i] ?? '', each.split('\n').length]),
  );
  for (const problem of [...problems, ...(result?.problems ?? [])]) expectPlace(problem, lineCounts);
  const hasErrors = problems.some(({ severity }) => severity === 'error');
  if (document === undefined) expect(hasErrors).toBe(true);
  if (document === undefined || hasErrors || result?.config === undefined) return;
  const remarks = readRemarks(text, 'stunnel.conf', sources);
  const { text: yaml = '' } = convertStunnel(document, remarks, ENVIRONMENT.cwd);
  const { document: reread, problems: yamlProblems } = readYaml(yaml, '/elsewhere/icapgw.yaml');
  expect(yamlProblems).toEqual([]);
  if (reread === undefined) throw new Error(`unreadable:\n${yaml}`);
  expect(meaningOf(reread)).toEqual(meaningOf(document));
}

/** A comment with anything in it that fits into a line. */
const comment = fc
  .tuple(
    fc.constantFrom('; ', '#', ';;', ' \t; '),
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...LINES, ...FRAGMENTS)),
  )
  .map(([mark, text]) => `${mark}${text.replaceAll(/[\r\n]/g, ' ')}`.slice(0, 4000));

/** A usable configuration with comments and blank lines in between, and without. */
const commented = fc
  .tuple(
    fc.constantFrom(...CORPUS.filter(isUsable)),
    fc.array(fc.tuple(fc.nat(), fc.oneof(comment, fc.constant(''))), { minLength: 1, maxLength: 20 }),
  )
  .map(([plain, insertions]) => {
    const lines = plain.replace('\uFEFF', '').split('\n');
    for (const [at, text] of insertions) lines.splice(at % (lines.length + 1), 0, text);
    return { plain, text: lines.join('\n') };
  });

function isUsable(text: string): boolean {
  const { document, problems } = readStunnel(text, 'stunnel.conf', sourcesOf(''));
  return document !== undefined && problems.every(({ severity }) => severity === 'warning');
}

function readUsable(text: string): RawDocument {
  const { document } = readStunnel(text, 'stunnel.conf', sourcesOf(''));
  if (document === undefined) throw new Error('no document');
  return document;
}

test('a damaged configuration is told what is wrong with it, line by line, or means the same as its conversion', () => {
  fc.assert(
    fc.property(damaged, damaged, (text, included) => readAll(text, included)),
    BUDGET,
  );
});

test('comments mean nothing, wherever they stand and whatever they say, and go on meaning nothing in YAML', () => {
  fc.assert(
    fc.property(commented, ({ plain, text }) => {
      expect(meaningOf(readUsable(text))).toEqual(meaningOf(readUsable(plain)));
      readAll(text, '');
    }),
    BUDGET,
  );
});

test.skipIf(!existsSync(DEBIAN_SAMPLE))('the sample of the Debian package is among what is damaged', () => {
  expect(CORPUS.some((text) => text.includes('[gmail-pop3]'))).toBe(true);
});
