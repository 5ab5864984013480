import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  blockListPathOf,
  engineListPath,
  enginesOf,
  entryPointsOf,
  offeredVersions,
  smcMessage,
  UnreadableAnswer,
} from '../../../src/feeds/smc/smc-answer.ts';

function links(...rels: readonly (readonly [string, unknown])[]): string {
  return JSON.stringify({ link: rels.map(([rel, href]) => ({ rel, href })) });
}

describe('what an SMC answers', () => {
  test('versions are those that can stand in a path', () => {
    const version = [{ rel: '6.10', href: 'x' }, { rel: '../admin' }, { rel: 7 }, null, { rel: '7.0' }];
    expect(offeredVersions(JSON.stringify({ version }))).toEqual(['6.10', '7.0']);
  });

  test('of an href only path and query are used, whatever host it names', () => {
    const entry_point = [
      { rel: 'logout', href: 'https://elsewhere.example:9/6.7/logout' },
      { rel: 'elements', href: '//elsewhere.example/6.7/elements?a=b#c' },
    ];
    expect(entryPointsOf(JSON.stringify({ entry_point }))).toEqual({
      elements: '/6.7/elements?a=b',
      logout: '/6.7/logout',
    });
  });

  test('an SMC need not say where to log out', () => {
    const entry_point = [{ rel: 'elements', href: '/6.7/elements' }];
    expect(entryPointsOf(JSON.stringify({ entry_point })).logout).toBeUndefined();
  });

  test('the list of engines keeps the query of the entry point', () => {
    expect(engineListPath('/6.7/elements')).toBe('/6.7/elements?filter_context=engine_clusters');
    expect(engineListPath('/6.7/elements?x=1')).toBe('/6.7/elements?x=1&filter_context=engine_clusters');
  });

  test('engines without a name or a way to them are left out', () => {
    const result = [
      { name: 'NGFW 1', href: 'http://h/6.7/elements/single_fw/1', type: 'single_fw' },
      { name: '', href: '/6.7/elements/single_fw/2' },
      { name: 'mail', href: 'mailto:admin@example' },
      { name: 'none' },
      { href: '/6.7/elements/single_fw/3' },
      'text',
      null,
    ];
    expect(enginesOf(JSON.stringify({ result }))).toEqual([{ name: 'NGFW 1', path: '/6.7/elements/single_fw/1' }]);
  });

  test.each([
    { rels: [['blacklist', '/6.7/a/blacklist']] as const, path: '/6.7/a/blacklist', name: 'before 7.0' },
    { rels: [['block_list', '/7.0/a/block_list']] as const, path: '/7.0/a/block_list', name: 'from 7.0 on' },
    {
      rels: [
        ['blacklist', '/b'],
        ['block_list', '/c'],
      ] as const,
      path: '/c',
      name: 'with both',
    },
    {
      rels: [
        ['flush_blacklist', '/f'],
        ['self', '/s'],
      ] as const,
      path: undefined,
      name: 'with neither',
    },
    {
      rels: [
        ['blacklist', 7],
        ['block_list', 'file:///etc'],
      ] as const,
      path: undefined,
      name: 'with no way to it',
    },
  ])('the list of an engine $name', ({ rels, path }) => {
    expect(blockListPathOf(links(...rels))).toBe(path);
  });

  test.each([
    [{ message: 'Invalid', details: ['a', 'b'], status: '0' }, 'Invalid a b'],
    [{ message: 'Invalid', details: 'one' }, 'Invalid one'],
    [{ message: 'two\r\nlines\u0000\u202e' }, 'two lines'],
    [{ message: 'x'.repeat(1000) }, 'x'.repeat(300)],
    [{ message: { a: 1 } }, undefined],
    [[], undefined],
  ])('its message %j is one short line', (body, line) => {
    expect(smcMessage(JSON.stringify(body))).toBe(line);
  });

  test('whatever comes, it is read or called unreadable', () => {
    const readers = [offeredVersions, entryPointsOf, enginesOf, blockListPathOf, smcMessage];
    const field = fc.constantFrom('version', 'entry_point', 'result', 'link', 'message', 'details');
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(field, fc.jsonValue()).map((value) => JSON.stringify(value)),
      fc
        .dictionary(field, fc.array(fc.dictionary(fc.constantFrom('rel', 'href', 'name'), fc.jsonValue())))
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(body, fc.constantFrom(...readers), (text, reader) => {
        try {
          reader(text);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableAnswer);
        }
      }),
    );
  });
});
