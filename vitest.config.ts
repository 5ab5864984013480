import { defineConfig } from 'vitest/config';
import { SecondTries } from './test/_util/second-tries.ts';

const RETRIES = Number(process.env['ICAPGW_TEST_RETRIES'] ?? 0);

export default defineConfig({
  test: {
    globalSetup: ['test/_util/global-setup.ts'],
    setupFiles: ['test/_util/patience.ts'],
    expect: { poll: { timeout: 10_000, interval: 20 } },
    // Real peers and loaded machines have races of their own: .ci/run grants a second try, a developer sees the first fail.
    retry: RETRIES,
    // Which tests needed it is told at the end.
    reporters: RETRIES === 0 ? ['default'] : ['default', new SecondTries()],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**'] },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      thresholds: { lines: 80 },
    },
  },
});
