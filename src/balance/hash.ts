/** A well-spread 32-bit hash of a text: FNV-1a over its code units, then an avalanche. Not for secrets. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return avalanche(hash);
}

/** Joins two hashes into one in which every bit of either counts. */
export function joinHashes(a: number, b: number): number {
  return avalanche(Math.imul(a, 0x9e3779b1) ^ b);
}

/** The 32-bit finalizer of MurmurHash3: flipping one bit of the input flips each bit of the output half of the time. */
function avalanche(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}
