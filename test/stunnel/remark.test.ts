import { describe, expect, test } from 'vitest';
import type { StunnelSources } from '../../src/stunnel/include.ts';
import { type Remark, readRemarks } from '../../src/stunnel/remark.ts';

function sourcesOf(files: Readonly<Record<string, string>>): StunnelSources {
  return {
    readDirectory: (path) =>
      Object.keys(files)
        .filter((name) => name.startsWith(`${path}/`))
        .map((name) => name.slice(path.length + 1)),
    readFile: (path) => files[path] ?? '',
  };
}

/** Each remark as `subject section@line: its lines`. */
function tell(text: string, files: Readonly<Record<string, string>> = {}): string[] {
  const show = ({ subject, section, rootLine, lines }: Remark) =>
    `${[subject, section ?? ''].join(' ').trim()}@${rootLine}: ${lines.join(' / ')}`;
  return readRemarks(text, 'stunnel.conf', sourcesOf(files)).remarks.map(show);
}

describe('a comment', () => {
  test.each([
    ['above everything is about the file', '; a\n\n[s]\n', ['file@0: a']],
    ['above a global option is about it', '; a\n# b\ndebug = 5\n[s]\n', ['setting@3: a / b']],
    ['right above a section is about it', '; file\n\n; a\n[s]\n', ['file@0: file', 'section 0@4: a']],
    ['right above an option is about it', '[s]\n; a\ncert = x\n', ['setting 0@3: a']],
    ['alone in a section is about the section', '[s]\ncert = x\n\n; a\n\nkey = x\n', ['section 0@1: a']],
    ['right below an option, before another section, stays', '[s]\ncert = x\n; a\n\n[t]\n', ['section 0@1: a']],
    [
      'alone between sections is about the next',
      '[s]\ncert = x\n\n; a\n\n; b\n[t]\n',
      ['section 1@7: a', 'section 1@7: b'],
    ],
    ['right below the last option stays', '[s]\ncert = x\n; a\n', ['section 0@1: a']],
    ['far below the last option is about the end', '[s]\ncert = x\n\n; a\n; b', ['end 0@0: a / b']],
    ['in a file of comments is about the file', '; a\n\n; b\n', ['file@0: a', 'file@0: b']],
    ['loses its mark and its frame', '; ****\n; * A, B *\n##  c\n; ****\n[s]\n', ['section 0@5: A, B /  c']],
    ['without a word is none', ';\n#---\n; ***\n[s]\n', []],
    [
      'may end in CR LF, after a byte order mark',
      '\uFEFF; a\r\n\r\n[s]\r\n; b\r\ncert = x\r\n',
      ['file@0: a', 'setting 0@5: b'],
    ],
  ])('%s', (_, text, expected) => {
    expect(tell(text)).toEqual(expected);
  });

  test('that is an option switched off keeps its mark', () => {
    expect(tell('[s]\n; a try\n;cert = x\n# key=y\ncert = z\n')).toEqual(['setting 0@5: a try / ;cert = x / # key=y']);
    expect(tell(';[s]\n;accept = 1\n\n[t]\n')).toEqual(['file@0: ;[s] / ;accept = 1']);
  });

  test('that is an option switched off right below another is about that one', () => {
    expect(tell('[s]\nconnect = a:1\n;connect = b:1\ncert = x\n')).toEqual(['setting 0@2: ;connect = b:1']);
    expect(tell('[s]\nconnect = a:1\n; b\n;connect = b:1\ncert = x\n')).toEqual(['setting 0@5: b / ;connect = b:1']);
  });
});

test('comments of included files go to the section they are in, at the line of the include', () => {
  const files = {
    'd/1': '; head\n\n; one\n[one]\n; cert\ncert = x\n',
    'd/2': '; two\n[two]\n',
    'd/3': '; of two\ncert = x\n',
  };
  expect(tell('; the folder\ninclude = d\n; after\nkey = x\n', files)).toEqual([
    'setting@2: the folder',
    'file@0: head',
    'section 0@2: one',
    'section 0@2: cert',
    'section 1@2: two',
    'section 1@2: of two',
    'setting 1@4: after',
  ]);
});

test('all sections are counted', () => {
  expect(readRemarks('[a]\n[b]\n', 'stunnel.conf', sourcesOf({}))).toEqual({ remarks: [], sectionCount: 2 });
});
