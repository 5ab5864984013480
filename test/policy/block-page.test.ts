import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockPageProblem, createBlockPage, MAX_BLOCK_PAGE_BYTES } from '../../src/policy/block-page.ts';

const VALUES = {
  service: 'mcas',
  reason: 'no server could look at it',
  connection: '42',
  time: '2026-01-02T03:04:05.678Z',
};

describe('the page icapgw comes with', () => {
  test('is a whole HTTP response that says why', () => {
    const { header, body } = createBlockPage(undefined)(VALUES);
    const lines = header.toString('latin1').split('\r\n');
    expect(lines[0]).toBe('HTTP/1.1 403 Forbidden');
    expect(lines.slice(-2)).toEqual(['', '']);
    expect(lines).toContain(`Content-Length: ${body.length}`);
    expect(lines).toContain('Content-Type: text/html; charset=utf-8');
    for (const value of Object.values(VALUES)) expect(body.toString()).toContain(value);
    expect(body.toString()).not.toContain('{{');
  });
});

describe('a page of an administrator', () => {
  const render = (template: string, values = VALUES) => createBlockPage(template)(values).body.toString();

  test('may name any value, with blanks, and more than once', () => {
    expect(render('{{reason}} / {{ reason }} / {{service}} {{connection}} {{time}}')).toBe(
      `${VALUES.reason} / ${VALUES.reason} / mcas 42 ${VALUES.time}`,
    );
  });

  test('may be without values', () => {
    expect(blockPageProblem('<p>Blocked</p>')).toBeUndefined();
    expect(render('<p>Blocked</p>')).toBe('<p>Blocked</p>');
    expect(render('')).toBe('');
  });

  test('may have single braces, as style sheets do', () => {
    const css = 'p { color: red } @media print {p{color: black}}';
    expect(blockPageProblem(css)).toBeUndefined();
    expect(render(css)).toBe(css);
  });

  test('counts its length in bytes', () => {
    const { header, body } = createBlockPage('gesperrt: {{reason}} ü')({ ...VALUES, reason: 'für' });
    expect(body).toHaveLength(17);
    expect(header.toString('latin1')).toContain('\r\nContent-Length: 17\r\n');
  });

  test('is told about a value that there is not', () => {
    expect(blockPageProblem('{{service}} {{ url }}')).toBe(
      'holds the unknown placeholder {{url}}; there are {{service}}, {{reason}}, {{connection}}, {{time}}',
    );
    expect(blockPageProblem('{{toString}}')).toContain('{{toString}}');
    expect(blockPageProblem('{{}}')).toContain('{{}}');
  });

  test('has a limit', () => {
    expect(blockPageProblem('x'.repeat(MAX_BLOCK_PAGE_BYTES))).toBeUndefined();
    expect(blockPageProblem('x'.repeat(MAX_BLOCK_PAGE_BYTES + 1))).toBe('is larger than 262144 bytes');
  });
});

test('no value can become markup, or a placeholder', () => {
  const page = createBlockPage('<a title="{{reason}}" rel=\'{{service}}\'>{{reason}}</a>');
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '{', '}', 'a', '$') }), (reason) => {
      const { body } = page({ ...VALUES, reason, service: '{{reason}}' });
      const shown = reason.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
      const quoted = shown.replaceAll('"', '&quot;').replaceAll("'", '&#39;');
      expect(body.toString()).toBe(`<a title="${quoted}" rel='{{reason}}'>${quoted}</a>`);
    }),
    { seed: 3, numRuns: 200 },
  );
});
