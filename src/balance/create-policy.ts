import { createLeastConnections } from './least-connections.ts';
import type { Policy } from './policy.ts';
import { createRandomTwo } from './random-two.ts';
import { createRoundRobin } from './round-robin.ts';
import { createSourceHash } from './source-hash.ts';

/** The policies as the configuration names them. The two hashes differ only in the `hashKey` that the caller gives. */
export type PolicyName = 'round-robin' | 'least-connections' | 'random-two' | 'source-hash' | 'header-hash';

const POLICIES: Readonly<Record<PolicyName, () => Policy>> = {
  'round-robin': createRoundRobin,
  'least-connections': createLeastConnections,
  'random-two': createRandomTwo,
  'source-hash': createSourceHash,
  'header-hash': createSourceHash,
};

export function createPolicy(name: PolicyName): Policy {
  return POLICIES[name]();
}
