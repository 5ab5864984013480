import { expect, test } from 'vitest';
import { collectComments } from '../../src/config/stunnel-comment.ts';

const TEXT = `\uFEFF; Ask Jane before changing this

debug = 5
;output = old.log
# About all of them

# right above the first
[first]
cert = a.pem
; inside the first

;[off]
; ****
; about the second
[second]
# the end`;

test('comments go to the section they stand in or above', () => {
  expect(collectComments(TEXT, 2)).toEqual({
    head: 'Ask Jane before changing this\nAbout all of them',
    services: ['right above the first\ninside the first', 'about the second\nthe end'],
  });
});

test('where sections and services do not match, all go to the head', () => {
  expect(collectComments(TEXT, 3).services).toEqual([]);
  expect(collectComments(TEXT, 3).head.split('\n')).toHaveLength(6);
});

test('no comments are no comments', () => {
  expect(collectComments('[a]\r\ncert = x\r\n', 1)).toEqual({ head: '', services: [''] });
});
