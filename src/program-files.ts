/** Each begins a thread or a process: where it is from here while developing, when Node runs the sources themselves. */
const SOURCES = {
  main: './main.ts',
  worker: './runtime/worker.ts',
  'feed-disk-thread': './feeds/queue/feed-disk-thread.ts',
} as const;

/** Once built, all files of the program lie in one folder. */
const IS_BUILT: boolean = !import.meta.url.endsWith('.ts');

/** The file in which a thread or a process of this program begins. */
export function entryFile(name: keyof typeof SOURCES): URL {
  return new URL(IS_BUILT ? `./${name}.js` : SOURCES[name], import.meta.url);
}

/** The package.json of the program: one folder above its files, built or not. */
export const PACKAGE_FILE: URL = new URL('../package.json', import.meta.url);
