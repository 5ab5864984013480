import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERROR_MESSAGES } from '../src/errors.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGES = ['*.md', 'docs/**/*.md', 'bench/*.md', 'certs/*.md', 'stunnel-compat/*.md'].flatMap((pattern) =>
  globSync(pattern, { cwd: ROOT }),
);

/** Variables that look like codes. */
const ENVIRONMENT: ReadonlySet<string> = new Set(['ICAPGW_ADMIN', 'ICAPGW_NODE', 'ICAPGW_TOKEN_FILE']);

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

describe('docs/errors.md', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| *`(ICAPGW_\w+)` *\|([^|]*)\|([^|]*)\|$/gm)];

  test('has every code once, and no other', () => {
    expect(rows.map(([, code]) => code).sort()).toEqual(Object.keys(ERROR_MESSAGES).sort());
  });

  test('says of every code what it comes from and what to do', () => {
    for (const [, code, cause = '', advice = ''] of rows) {
      expect([cause.trim(), advice.trim()], code).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
    }
  });
});

describe.each(PAGES)('%s', (page) => {
  const text = withoutCode(read(page));

  test('links to what is there', () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    expect(links.filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(page, link))).toEqual([]);
  });

  test('names only error codes that exist', () => {
    const named = [...read(page).matchAll(/\bICAPGW_[A-Z][A-Z_]+\b/g)].map(([code]) => code);
    expect(named.filter((code) => !(code in ERROR_MESSAGES) && !ENVIRONMENT.has(code))).toEqual([]);
  });
});

describe('README.md', () => {
  test('has the lines that take a newcomer to the demonstration and to the tests', () => {
    expect(read('README.md').split('\n')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^\s*npm ci && npm start$/),
        expect.stringMatching(/^\s*npm ci && npm test$/),
      ]),
    );
  });

  test('leads to every page of docs and every example', () => {
    const wanted = [...globSync('docs/*.md', { cwd: ROOT }), ...globSync('examples/*', { cwd: ROOT })];
    expect(wanted.filter((file) => !read('README.md').includes(`](${file}`))).toEqual([]);
  });
});

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
  if (!existsSync(file) || relative(ROOT, file).startsWith('..')) return false;
  return anchor === undefined || (statSync(file).isFile() && anchorsOf(readFileSync(file, 'utf8')).includes(anchor));
}

/** The anchors that GitHub and others make of headings. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** A comment in a shell example is no heading, and a cast is no link. */
function withoutCode(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '');
}
