/**
 * Makes `dist` of `src`: a few files instead of several hundred, each of which takes its time to be found and read whenever
 * the program or one of its threads starts. What is imported only when it is needed stays apart, and so do dependencies.
 */
import { chmodSync } from 'node:fs';
import { build } from 'rolldown';
import manifest from './package.json' with { type: 'json' };

await build({
  input: {
    main: 'src/main.ts',
    // By the names that src/program-files.ts has for them.
    worker: 'src/runtime/worker.ts',
    'feed-disk-thread': 'src/feeds/queue/feed-disk-thread.ts',
  },
  platform: 'node',
  external: [/^node:/, ...Object.keys(manifest.dependencies)],
  transform: { target: 'es2024' },
  output: { dir: 'dist', format: 'esm', cleanDir: true, entryFileNames: '[name].js', chunkFileNames: '[name].js' },
});
chmodSync('dist/main.js', 0o755);
