import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { renderStatusPage, STATUS_PAGE_CSP } from '../../src/observe/status-page.ts';
import { SNAPSHOT } from '../_util/observe-http.ts';

describe('the status page', () => {
  const page = renderStatusPage(SNAPSHOT);

  test('shows services, where they listen, and the state of their backends', () => {
    for (const text of ['mcas', '127.0.0.1:11344', 'dlp-1', '10.0.0.5:1344', 'down', '3 connections open']) {
      expect(page).toContain(text);
    }
  });

  test('shows the verdicts of an ICAP service, what waits, and how its backends are used', () => {
    const [, tunnel = '', icap = ''] = page.split('<h2>');
    expect(icap).toContain('71 allowed, 0 modified, 5 blocked, 6 bypassed, 0 error, 0 aborted; 4 waiting');
    expect(icap).toContain('<td>8</td><td>9</td><td>24</td>');
    expect(tunnel).not.toContain('waiting');
    expect(tunnel).toContain('<td>0</td><td>0</td><td>none</td>');
  });

  test('shows text as text', () => {
    expect(page).not.toContain('<b>');
    expect(page).toContain('&#60;b&#62;3 checks failed');
  });

  test('loads nothing, runs nothing, and has the one style its policy allows', () => {
    expect(page).not.toMatch(/<script|<link|<img|src=|style="|on\w+=/);
    const style = /<style>(.*?)<\/style>/s.exec(page)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(STATUS_PAGE_CSP).toContain(`style-src 'sha256-${hash}'`);
  });
});
