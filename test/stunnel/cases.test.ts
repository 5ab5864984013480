import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { validate } from '../../src/config/validate.ts';
import type { Problem } from '../../src/errors.ts';
import type { StunnelSources } from '../../src/stunnel/include.ts';
import { looksLikeStunnel, readStunnel } from '../../src/stunnel/reader.ts';

const CASES = join(import.meta.dirname, '../../stunnel-compat/cases');
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

  if (!isUsable) return;
  test('passes the validator without an error', () => {
    if (result.document === undefined) throw new Error('no document and no error');
    const { problems } = validate(result.document, { cores: 1, cwd: '/' });
    const errors = problems.filter((problem) => problem.severity === 'error');
    expect(errors.filter((problem) => !problem.message.includes('not available in this version'))).toEqual([]);
  });
});
