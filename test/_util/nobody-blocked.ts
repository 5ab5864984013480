import type { BlockadeSnapshot } from '../../src/policy/blockade.ts';

/** A worker that nobody has told whom to turn away. */
export const NOBODY_BLOCKED: BlockadeSnapshot = {
  networks: [],
  listed: { addresses: [], networks: [] },
  exempt: [],
  addresses: [],
};
