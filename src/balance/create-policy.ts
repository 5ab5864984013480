import { createLeastConnections } from './least-connections.ts';
import type { Policy } from './policy.ts';
import { createRandomTwo } from './random-two.ts';
import { createRoundRobin } from './round-robin.ts';
import { createSourceHash } from './source-hash.ts';

/** The policies as the configuration names them. What `source-hash` hashes is the caller's `hashKey`. */
export type PolicyName = 'round-robin' | 'least-connections' | 'random-two' | 'source-hash';

const POLICIES: Readonly<Record<PolicyName, () => Policy>> = {
  'round-robin': createRoundRobin,
  'least-connections': createLeastConnections,
  'random-two': createRandomTwo,
  'source-hash': createSourceHash,
};

export function createPolicy(name: PolicyName): Policy {
  return POLICIES[name]();
}
