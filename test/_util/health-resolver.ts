import type { Resolver, SrvTarget } from '../../src/health/resolver.ts';

/** A resolver that answers what the test says, and counts how often it was asked. */
export interface ScriptedResolver extends Resolver {
  /** By name; a missing name does not resolve. */
  readonly records: Map<string, readonly string[]>;
  /** SRV records, by name. */
  readonly services: Map<string, readonly SrvTarget[]>;
  ttl: number | undefined;
  /** The family that cannot be asked for. */
  missing: 4 | 6 | undefined;
  readonly asked: string[];
}

export function scriptResolver(records: Readonly<Record<string, readonly string[]>>): ScriptedResolver {
  const script: ScriptedResolver = {
    records: new Map(Object.entries(records)),
    services: new Map(),
    ttl: undefined,
    missing: undefined,
    asked: [],
    async addresses(host) {
      script.asked.push(host);
      const addresses = answer(script.records, host, 'getaddrinfo');
      return { addresses, missing: script.missing, ttlMs: async () => script.ttl };
    },
    async targets(name) {
      script.asked.push(name);
      return answer(script.services, name, 'querySrv');
    },
  };
  return script;
}

/** `10 60 dlp.example:1344`: priority, weight, host and port. */
export function srvTarget(text: string): SrvTarget {
  const [priority, weight, where = ''] = text.split(' ');
  const [host = '', port] = where.split(':');
  return { priority: Number(priority), weight: Number(weight), host, port: Number(port) };
}

function answer<T>(records: ReadonlyMap<string, T>, name: string, call: string): T {
  const found = records.get(name);
  if (found === undefined) throw Object.assign(new Error(`${call} ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
  return found;
}
