import { createRequire } from 'node:module';
import type Forge from 'node-forge';

const require = createRequire(import.meta.url);
let loaded: typeof Forge | undefined;

/** node-forge, loaded when first asked for: making certificates and PKCS#12 need it, a start from PEM files does not. */
export function forge(): typeof Forge {
  loaded ??= require('node-forge') as typeof Forge;
  return loaded;
}
