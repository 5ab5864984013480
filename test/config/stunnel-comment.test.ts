import { expect, test } from 'vitest';
import type { RawDocument, RawPath } from '../../src/config/raw.ts';
import { placeComments } from '../../src/config/stunnel-comment.ts';
import type { Remark, RemarkSubject } from '../../src/stunnel/remark.ts';

const WRITTEN = {
  log: { level: 'info' },
  services: [{ name: 'a', tls: { cert: '/a' }, backends: [{ address: 'x:1' }, { address: 'y:1' }] }, { name: 'b' }],
};

const LINES: Readonly<Record<string, number>> = {
  'log.level': 2,
  'services.0': 3,
  'services.0.tls.cert': 4,
  'services.0.backends': 5,
  'services.0.backends.0': 5,
  'services.0.backends.1': 6,
  'services.1': 8,
};

const document: RawDocument = {
  file: 'stunnel.conf',
  format: 'stunnel',
  value: WRITTEN,
  lineOf(path: RawPath): number {
    for (let length = path.length; length > 0; length -= 1) {
      const line = LINES[path.slice(0, length).join('.')];
      if (line !== undefined) return line;
    }
    return 0;
  },
};

function placeOf(
  subject: RemarkSubject,
  section: number | undefined,
  rootLine: number,
  sectionCount = 2,
): RawPath | 'end' {
  const remark: Remark = { subject, section, rootLine, lines: ['said'] };
  const [comment] = placeComments({ remarks: [remark], sectionCount }, WRITTEN, document);
  return comment?.path ?? [];
}

test.each([
  ['a global option', placeOf('setting', undefined, 2), ['log', 'level']],
  ['an option of a section', placeOf('setting', 0, 4), ['services', 0, 'tls', 'cert']],
  ['the first of several lines', placeOf('setting', 0, 5), ['services', 0, 'backends']],
  ['another of them', placeOf('setting', 0, 6), ['services', 0, 'backends', 1]],
  ['an option that turned into nothing', placeOf('setting', 0, 7), ['services', 0]],
  ['a global option that turned into nothing', placeOf('setting', undefined, 1), []],
  ['a section', placeOf('section', 1, 8), ['services', 1]],
  ['the file', placeOf('file', undefined, 0), []],
  ['the end', placeOf('end', 1, 0), 'end'],
  ['a section, where not each is a service', placeOf('section', 2, 8, 3), ['services', 1]],
  ['a section that is no service', placeOf('section', 1, 7, 3), []],
])('what is about %s goes there', (_, path, expected) => {
  expect(path).toEqual(expected);
});

test('nothing hidden gets into the YAML', () => {
  const remark: Remark = { subject: 'file', section: undefined, rootLine: 0, lines: ['a\u2028b: c', '\u0007'] };
  expect(placeComments({ remarks: [remark], sectionCount: 0 }, WRITTEN, document)).toEqual([
    { path: [], text: 'a\\u{2028}b: c\n\\u{7}' },
  ]);
});
