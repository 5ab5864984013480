import type { Resolver } from '../../src/health/resolver.ts';

/** A resolver that answers what the test says, and counts how often it was asked. */
export interface ScriptedResolver extends Resolver {
  /** By name; a missing name does not resolve. */
  readonly records: Map<string, readonly string[]>;
  ttl: number | undefined;
  readonly asked: string[];
}

export function scriptResolver(records: Readonly<Record<string, readonly string[]>>): ScriptedResolver {
  const script: ScriptedResolver = {
    records: new Map(Object.entries(records)),
    ttl: undefined,
    asked: [],
    async addresses(host) {
      script.asked.push(host);
      const found = script.records.get(host);
      if (found === undefined) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
      return found;
    },
    ttlMs: async () => script.ttl,
  };
  return script;
}
