import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { readBlockListFile, verifyBlockList } from '../../src/runtime/block-list-file.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

function read(text: string | Uint8Array): { lines?: Record<string, number>; problems: readonly string[] } {
  using folder = createConfigFolder({});
  const file = join(folder.path, 'list');
  writeFileSync(file, text);
  const reading = readBlockListFile(file);
  if ('lines' in reading) return { lines: Object.fromEntries(reading.lines), problems: [] };
  return { problems: reading.problems.map((problem) => problem.replaceAll(file, 'LIST')) };
}

describe('a list of blocked addresses', () => {
  test('has an address or a network in each line, in any spelling, and what it says to people', () => {
    const text =
      '\uFEFF# ours\r\n198.51.100.7 # why\r\n\r\n  203.0.113.0/24 ; SBL1\n2001:DB8:0::7\n2001:db8:1::/48;x\n';
    expect(read(text)).toEqual({
      lines: { '198.51.100.7': 2, '203.0.113.0/24': 4, '2001:db8::7': 5, '2001:db8:1::/48': 6 },
      problems: [],
    });
  });

  test('has each of them once, a network of one address and a mapped one as that address', () => {
    expect(read('192.0.2.1\n192.0.2.1/32\n::ffff:192.0.2.1\n2001:db8::1/128\n').lines).toEqual({
      '192.0.2.1': 1,
      '2001:db8::1': 4,
    });
  });

  test.each(['', '\n\n', '# nobody\n'])('may have none: %j', (text) => {
    expect(read(text)).toEqual({ lines: {}, problems: [] });
  });

  test('with mistakes is told each of them with its line, and no more than a few', () => {
    expect(read('192.0.2.1\nnonsense\n192.0.2.256\n192.0.2.0/33\n192.0.2.1-192.0.2.9\n').problems).toEqual(
      [
        [2, 'nonsense'],
        [3, '192.0.2.256'],
        [4, '192.0.2.0/33'],
        [5, '192.0.2.1-192.0.2.9'],
      ].map(([line, text]) => expect.stringMatching(`^LIST:${line}: "${text}" is neither an address nor a network`)),
    );
    const { problems } = read('x\n'.repeat(5000));
    expect(problems).toHaveLength(11);
    expect(problems.at(-1)).toBe('LIST: 4990 more lines that cannot be used');
  });

  test.each(['0.0.0.0/0', '::/0', '10.0.0.0/0'])('with everybody in it is refused: %s', (network) => {
    expect(read(`${network}\n`).problems).toEqual([expect.stringContaining('LIST:1: ')]);
    expect(read(`${network}\n`).problems.join()).toContain('is everybody');
  });

  test('has as many as the workers can look through, and says where it is full', () => {
    const networks = Array.from({ length: 4097 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
    expect(Object.keys(read(networks.slice(1).join('\n')).lines ?? {})).toHaveLength(4096);
    expect(read(networks.join('\n')).problems).toEqual([
      expect.stringMatching(/^LIST:4097: there are more than 4096 n/),
    ]);
    const addresses = Array.from(
      { length: 100_001 },
      (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    );
    expect(read(addresses.join('\n')).problems).toEqual([
      expect.stringMatching(/^LIST:100001: there are more than 100000 a/),
    ]);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ['that is too large', '#'.repeat(8 * 1024 * 1024 + 1), /is larger than 8388608 bytes/],
    ['that is no text', Buffer.from([0x1f, 0x8b, 0x00, 0x00]), /is not text/],
  ])('%s is refused', (_, text, reason) => {
    expect(read(text).problems).toEqual([expect.stringMatching(reason)]);
  });
});

describe('the check of a configuration', () => {
  const check = (file: string | undefined): readonly string[] =>
    verifyBlockList({ file: 'gw.yaml', blockList: { file, allow: [] } } as unknown as Config, () => 7).map(
      ({ severity, file: where, line, message }) => `${where}:${line}: ${severity}: ${message}`,
    );

  test('names the file and its line, at the line of the key', () => {
    using folder = createConfigFolder({ list: '192.0.2.1\nx\n', good: '192.0.2.1\n' });
    const list = join(folder.path, 'list');
    expect(check(list)).toEqual([
      expect.stringMatching(`^gw.yaml:7: error: block-list.file: ${list}:2: "x" is neither an address nor a network`),
    ]);
    expect(check(join(folder.path, 'good'))).toEqual([]);
    expect(check(undefined)).toEqual([]);
  });

  test('says that a file is missing, or is none', () => {
    using folder = createConfigFolder({});
    mkdirSync(join(folder.path, 'folder'));
    expect(check(join(folder.path, 'none'))).toEqual([expect.stringMatching(/none does not exist$/)]);
    expect(check(join(folder.path, 'folder'))).toEqual([expect.stringContaining('is a folder')]);
  });
});
