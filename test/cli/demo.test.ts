import { describe, expect, test } from 'vitest';
import { addDemoCommand } from '../../src/cli/demo.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

describe('icapgw demo', () => {
  test.each([
    ['a file', 'file'],
    ['below a file', 'file/demo'],
    ['where no folder can be made', '/proc/nope'],
  ])('says that its folder cannot be used: %s', async (_, dir) => {
    using folder = createConfigFolder({ file: '' });
    const { stderr, exitCode } = await runCli(['demo', '--once', '--port', '0', '--dir', dir], addDemoCommand, {
      cwd: folder.path,
    });
    expect(stderr).toMatch(/^icapgw: .*folder.* \[ICAPGW_FILE_WRITE\]\n$/);
    expect(exitCode).toBe(1);
  });
});
