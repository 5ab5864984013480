import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { MAX_BLOCK_PAGE_BYTES } from '../../src/policy/block-page.ts';
import { readBlockPage } from '../../src/runtime/block-page-file.ts';
import { loadMaterial } from '../../src/runtime/material.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';

/** What reading a file with this content gives, with the folder left out. */
function read(content: string | Uint8Array): unknown {
  using folder = createConfigFolder({ 'page.html': content });
  return JSON.parse(JSON.stringify(readBlockPage(join(folder.path, 'page.html'))).replaceAll(`${folder.path}/`, ''));
}

describe('a block page', () => {
  test('is its text', () => {
    expect(read('<p>Gesperrt: {{reason}} \u00fc</p>')).toEqual({ text: '<p>Gesperrt: {{reason}} \u00fc</p>' });
  });

  test.each([
    { bytes: MAX_BLOCK_PAGE_BYTES, isText: true },
    { bytes: MAX_BLOCK_PAGE_BYTES + 1, isText: false },
  ])('of $bytes bytes can be used: $isText', ({ bytes, isText }) => {
    const problem = { problem: `page.html is not a file of at most ${MAX_BLOCK_PAGE_BYTES} bytes` };
    expect(read('x'.repeat(bytes))).toEqual(isText ? { text: 'x'.repeat(bytes) } : problem);
  });

  test('with an unknown placeholder is refused', () => {
    expect(read('{{user}}')).toEqual({ problem: expect.stringContaining('page.html holds the unknown placeholder') });
  });

  test('in another encoding is refused', () => {
    expect(read(Buffer.from('Zugriff gesperrt f\u00fcr Sie', 'latin1'))).toEqual({
      problem: 'page.html is not UTF-8; save it as that',
    });
  });

  test('that is missing, or a folder, is refused', () => {
    using folder = createConfigFolder({});
    const missing = join(folder.path, 'page.html');
    expect(readBlockPage(missing)).toEqual({ problem: `${missing} does not exist` });
    expect(readBlockPage(folder.path)).toEqual({ problem: expect.stringContaining('is not a file') });
  });
});

test('a block page is loaded with its service, and its troubles are told with their line', () => {
  using folder = createConfigFolder({
    'good.yaml': serviceText({ protocol: 'icap', extra: 'block-page: page.html' }),
    'bad.yaml': serviceText({ protocol: 'icap', extra: 'block-page: gone.html' }),
    'page.html': 'no',
  });
  const load = (name: string): ReturnType<typeof loadMaterial> => {
    const { config, lineOf } = loadConfig(join(folder.path, name));
    if (config === undefined) throw new Error('not usable');
    return loadMaterial(config, lineOf);
  };
  expect(load('good.yaml')).toMatchObject({ services: [{ blockPage: 'no' }], problems: [] });
  const message = `block-page: ${join(folder.path, 'gone.html')} does not exist`;
  expect(load('bad.yaml').problems).toEqual([expect.objectContaining({ severity: 'error', message, line: 8 })]);
});
