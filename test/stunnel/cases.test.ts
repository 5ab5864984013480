import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { convertStunnel } from '../../src/config/convert.ts';
import type { RawDocument } from '../../src/config/raw.ts';
import { validate } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';
import type { Problem } from '../../src/errors.ts';
import type { StunnelSources } from '../../src/stunnel/include.ts';
import { looksLikeStunnel, readStunnel } from '../../src/stunnel/reader.ts';
import { readRemarks } from '../../src/stunnel/remark.ts';

const CASES = join(import.meta.dirname, '../../stunnel-compat/cases');
/** Where stunnel would run, and so what relative files are relative to. */
const ENVIRONMENT = { cores: 1, cwd: '/etc/stunnel' };
const isUpdate = process.env['UPDATE_GOLDEN'] === '1';

function sourcesOf(folder: string): StunnelSources {
  return {
    readDirectory(path) {
      if (!existsSync(join(folder, path))) throw new Error('no such folder');
      return readdirSync(join(folder, path)).filter((name) => statSync(join(folder, path, name)).isFile());
    },
    readFile: (path) => readFileSync(join(folder, path), 'utf8'),
  };
}

function formatProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ file, line, severity, message, code }) => `${file}:${line}: ${severity}: ${message} [${code}]\n`)
    .join('');
}

/** JSON as the formatter of this repository leaves it: lists of plain values on one line. */
function formatJson(value: unknown, indent = ''): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object'))
      return `[${value.map((item) => JSON.stringify(item)).join(', ')}]`;
    return `[\n${value.map((item) => `${inner}${formatJson(item, inner)}`).join(',\n')}\n${indent}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(
    ([key, item]) => `${inner}${JSON.stringify(key)}: ${formatJson(item, inner)}`,
  );
  return entries.length === 0 ? '{}' : `{\n${entries.join(',\n')}\n${indent}}`;
}

function expectGolden(file: string, actual: string): void {
  if (isUpdate) writeFileSync(file, actual);
  const expected = existsSync(file) ? readFileSync(file, 'utf8') : '';
  expect(actual, `${file} differs; after checking, rewrite it with UPDATE_GOLDEN=1 npx vitest run test/stunnel`).toBe(
    expected,
  );
}

/** What a document means, apart from where it was written. */
function meaningOf(document: RawDocument | undefined): Omit<Config, 'file' | 'format'> | undefined {
  if (document === undefined) return undefined;
  const { config } = validate(document, ENVIRONMENT);
  if (config === undefined) return undefined;
  const { file: _file, format: _format, ...meaning } = config;
  return meaning;
}

describe.each(readdirSync(CASES))('%s', (name) => {
  const folder = join(CASES, name);
  const text = readFileSync(join(folder, 'stunnel.conf'), 'utf8');
  const result = readStunnel(text, 'stunnel.conf', sourcesOf(folder));
  const isUsable = result.problems.every((problem) => problem.severity === 'warning');

  test('is recognised as a stunnel.conf', () => {
    expect(looksLikeStunnel(text)).toBe(true);
  });

  test('converts to the expected raw document', () => {
    expectGolden(join(folder, 'raw.json'), `${formatJson(result.document?.value ?? null)}\n`);
  });

  test('says what is expected', () => {
    expectGolden(join(folder, 'diagnostics.txt'), formatProblems(result.problems));
  });

  const { document } = result;
  if (!isUsable || document === undefined) {
    test('is not converted', () => {
      expect(existsSync(join(folder, 'converted.yaml'))).toBe(false);
    });
    return;
  }

  const { text: converted } = convertStunnel(
    document,
    readRemarks(text, 'stunnel.conf', sourcesOf(folder)),
    ENVIRONMENT.cwd,
  );

  test('converts to the expected YAML', () => {
    expectGolden(join(folder, 'converted.yaml'), converted ?? '');
  });

  test('means the same as YAML', () => {
    const { document: reread, problems } = readYaml(converted ?? '', '/somewhere/else/icapgw.yaml');
    expect(problems).toEqual([]);
    expect(meaningOf(reread)).toBeDefined();
    expect(meaningOf(reread)).toEqual(meaningOf(document));
  });
});
