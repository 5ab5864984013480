import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { loadToken } from '../../src/observe/admin-guard.ts';
import { createFolder } from '../_util/observe-log.ts';

describe('a token file', () => {
  test('holds the token and perhaps a line end', async () => {
    await using folder = await createFolder();
    await writeFile(folder.file('token'), '0123456789abcdef\n');
    expect(await loadToken(folder.file('token'))).toBe('0123456789abcdef');
  });

  test.each([
    ['', 'fewer than 16 characters'],
    ['0123456789abcde', 'fewer than 16 characters'],
    ['0123456789 abcdef', 'one token'],
    ['0123456789abcdef\nsecond-line-here', 'one token'],
    ['x'.repeat(1025), 'one token'],
  ])('with %j is refused', async (content, reason) => {
    await using folder = await createFolder();
    const file = folder.file('token');
    await writeFile(file, content);
    await expect(loadToken(file)).rejects.toMatchObject({
      code: 'ICAPGW_CONFIG_INVALID',
      problems: [{ severity: 'error', file, message: expect.stringContaining(reason) }],
    });
  });

  test('that is missing is named', async () => {
    await expect(loadToken('/nowhere/token')).rejects.toMatchObject({
      problems: [{ file: '/nowhere/token', message: expect.stringContaining('ENOENT') }],
    });
  });
});
