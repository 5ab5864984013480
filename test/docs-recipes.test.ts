import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROFILE_NAMES } from '../src/probe/profile.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'docs/recipes');
const PAGES = globSync('*.md', { cwd: FOLDER }).filter((name) => name !== 'README.md');
/** Without their comments of several lines and their indentation: a page shows parts of them. */
const EXAMPLES = globSync('examples/**/*', { cwd: ROOT })
  .map((name) => join(ROOT, name))
  .filter((file) => statSync(file).isFile())
  .map((file) => flat(readFileSync(file, 'utf8')));

function flat(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

test('the index of the recipes leads to every one, and to no other', () => {
  const links = [...readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/\]\(([\w-]+\.md)\)/g)];
  expect(links.map(([, page]) => page).sort()).toEqual(PAGES.toSorted());
});

describe.each(PAGES)('the recipe %s', (page) => {
  const text = readFileSync(join(FOLDER, page), 'utf8');

  test('shows only configuration that stands in an example', () => {
    const blocks = [...text.matchAll(/^ *```(?:yaml|ini|squid|haproxy)\n([\s\S]*?)^ *```/gm)].map(([, block = '']) =>
      flat(block),
    );
    expect(blocks.length).toBeGreaterThan(0);
    expect(blocks.filter((block) => !EXAMPLES.some((example) => example.includes(block)))).toEqual([]);
  });

  test('is run by a test of its own', () => {
    const named = [...text.matchAll(/`(test\/e2e\/recipe-[\w-]+\.test\.ts)`/g)].map(([, file = '']) => file);
    expect(named).not.toEqual([]);
    expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test('names files and profiles that there are', () => {
    const files = [...text.matchAll(/(?<![\w/.])(?:examples|deploy|test)\/[\w./-]*\w/g)].map(([file]) => file);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    const profiles = [...text.matchAll(/--profile[ =]([\w-]+)/g)].map(([, name = '']) => name);
    expect(profiles.filter((name) => !(PROFILE_NAMES as readonly string[]).includes(name))).toEqual([]);
  });

  test('says what it rests on', () => {
    expect(text).toMatch(/^\| *statement *\| *rests on *\|$/m);
  });
});
