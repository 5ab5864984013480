import type { Config } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import type { Problem } from '../errors.ts';
import type { LoadedService } from '../runtime/material.ts';

/** What the files that a configuration names have to say. */
export interface Verified {
  /** Usable only when no problem is an error. */
  readonly services: readonly LoadedService[];
  readonly problems: readonly Problem[];
}

/** Opens what a configuration names. Problems call the configuration `name`, as its user did. */
export async function verifyConfig(config: Config, lineOf: (path: RawPath) => number, name: string): Promise<Verified> {
  const [{ loadMaterial }, { verifyFiles }] = await Promise.all([
    import('../runtime/material.ts'),
    import('../runtime/file-check.ts'),
  ]);
  const { services, problems } = loadMaterial(config, lineOf);
  const all = [...problems, ...(await verifyFiles(config, lineOf))];
  return { services, problems: all.map((problem) => ({ ...problem, file: name })) };
}
