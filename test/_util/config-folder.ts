import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder with a few files in it, gone when disposed. */
export interface ConfigFolder extends Disposable {
  readonly path: string;
}

export function createConfigFolder(files: Readonly<Record<string, string | Uint8Array>>): ConfigFolder {
  const path = mkdtempSync(join(tmpdir(), 'icapgw-config-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
