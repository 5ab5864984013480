import type { Resolver } from './resolver.ts';

const DEFAULT_MS = 30_000;
const SHORTEST_MS = 5_000;
const LONGEST_MS = 300_000;

export interface DiscoveryOptions {
  readonly host: string;
  readonly resolver: Resolver;
  /** Called with the first set and with every one that differs: without duplicates, always in the same order. */
  readonly onAddresses: (addresses: readonly string[]) => void;
  /** Called once when resolving begins to fail; the last good set stays in force. */
  readonly onFailure: (error: unknown) => void;
  /** Called once when it works again, before a changed set. */
  readonly onRecovery: () => void;
}

export interface Discovery extends Disposable {
  /** Resolves when the name was asked for once, with or without success. */
  readonly settled: Promise<void>;
}

/**
 * Follows the addresses of a name until disposed: asks again when the TTL is over (5 s to 5 min, 30 s where there is
 * none), and every 5 s while it cannot be resolved.
 */
export function startDiscovery(options: DiscoveryOptions): Discovery {
  const { host, resolver, onAddresses, onFailure, onRecovery } = options;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let isFailing = false;
  let known: readonly string[] = [];

  async function ask(): Promise<void> {
    const [answer] = await Promise.allSettled([resolver.addresses(host)]);
    if (isStopped) return;
    if (answer.status === 'fulfilled') accept(answer.value);
    else if (!isFailing) {
      isFailing = true;
      onFailure(answer.reason);
    }
  }

  function accept(found: readonly string[]): void {
    if (isFailing) onRecovery();
    isFailing = false;
    const addresses = [...new Set(found)].sort(compareAddresses);
    if (addresses.join() === known.join()) return;
    known = addresses;
    onAddresses(addresses);
  }

  async function schedule(): Promise<void> {
    const ttlMs = isFailing ? SHORTEST_MS : ((await resolver.ttlMs(host)) ?? DEFAULT_MS);
    if (isStopped) return;
    timer = setTimeout(askAgain, Math.min(Math.max(ttlMs, SHORTEST_MS), LONGEST_MS));
  }

  function askAgain(): void {
    ask().then(schedule).catch(crash);
  }

  const settled = ask();
  settled.then(schedule).catch(crash);
  return {
    settled,
    [Symbol.dispose]() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** IPv4 first, so that the order does not change with that of the name server's answers. */
function compareAddresses(a: string, b: string): number {
  return Number(a.includes(':')) - Number(b.includes(':')) || (a < b ? -1 : 1);
}

/** Only a mistake in a callback can end here. It must not go unseen. */
function crash(error: unknown): never {
  throw error;
}
