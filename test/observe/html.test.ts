import { expect, test } from 'vitest';
import { html } from '../../src/observe/html.ts';

test('text is escaped, in elements and in attributes', () => {
  const { text } = html`<p title="${'a"b'}">${`<i>'&`}</p>`;
  expect(text).toBe('<p title="a&#34;b">&#60;i&#62;&#39;&#38;</p>');
});

test('markup is put in as it is, alone or in a list', () => {
  const items = ['a', '<b>'].map((item) => html`<li>${item}</li>`);
  expect(html`<ul>${items}</ul>${html`<hr>`}${7}`.text).toBe('<ul><li>a</li><li>&#60;b&#62;</li></ul><hr>7');
});
