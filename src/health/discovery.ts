import { isDeepStrictEqual } from 'node:util';
import type { Endpoint } from './endpoint.ts';
import { NameLookup, type NameMemory, type SoughtName } from './name-lookup.ts';
import type { Resolver } from './resolver.ts';

const DEFAULT_MS = 30_000;
const SHORTEST_MS = 1_000;
const LONGEST_MS = 300_000;
const RETRY_MS = 5_000;

export interface DiscoveryOptions {
  readonly sought: SoughtName;
  readonly resolver: Resolver;
  /** What is known already; what it leads to is told before `startDiscovery` returns. */
  readonly memory: NameMemory | undefined;
  /** Called with the first set and with every one that differs: the first to be used first, always in the same order. */
  readonly onEndpoints: (endpoints: readonly Endpoint[]) => void;
  /** Called once when resolving begins to fail; the last good set stays in force. */
  readonly onFailure: (detail: string) => void;
  /** Called once when it works again, before a changed set. */
  readonly onRecovery: () => void;
}

export interface Discovery extends Disposable {
  /** Resolves when the name was asked for once, with or without success. */
  readonly settled: Promise<void>;
  readonly memory: NameMemory;
  /** Whether somebody fails whom the name leads to: who was there may have moved. Asks soon, and goes on as after a failure. */
  setDoubt(isDoubtful: boolean): void;
}

/**
 * Follows what a name leads to until disposed: asks again when the TTL is over (1 s to 5 min, 30 s where there is
 * none), and after 5 s at the latest while not all of it can be resolved or what was found is in doubt.
 */
export function startDiscovery(options: DiscoveryOptions): Discovery {
  const { sought, resolver, memory, onEndpoints, onFailure, onRecovery } = options;
  const lookup = new NameLookup(sought, resolver, memory);
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let isFailing = false;
  let isInDoubt = false;
  let ttlMs: () => Promise<number | undefined>;
  let known: readonly Endpoint[] = [];

  async function ask(): Promise<void> {
    const look = await lookup.look();
    if (isStopped) return;
    ttlMs = look.ttlMs;
    tellFailure(look.failure);
    tellEndpoints();
  }

  function tellEndpoints(): void {
    const { endpoints } = lookup;
    if (isDeepStrictEqual(endpoints, known)) return;
    known = endpoints;
    onEndpoints(endpoints);
  }

  function tellFailure(failure: string | undefined): void {
    const wasFailing = isFailing;
    isFailing = failure !== undefined;
    if (failure !== undefined && !wasFailing) onFailure(failure);
    if (failure === undefined && wasFailing) onRecovery();
  }

  async function schedule(): Promise<void> {
    if (isStopped) return;
    const pauseMs = (await ttlMs()) ?? DEFAULT_MS;
    if (isStopped) return;
    const longestMs = isFailing || isInDoubt ? RETRY_MS : LONGEST_MS;
    timer = setTimeout(askAgain, Math.min(Math.max(pauseMs, SHORTEST_MS), longestMs));
  }

  function askAgain(): void {
    timer = undefined;
    ask().then(schedule).catch(crash);
  }

  tellEndpoints();
  const settled = ask();
  settled.then(schedule).catch(crash);
  return {
    settled,
    get memory() {
      return lookup.memory;
    },
    setDoubt(isDoubtful) {
      const isNew = isDoubtful && !isInDoubt;
      isInDoubt = isDoubtful;
      // Without a timer an answer is on its way.
      if (!isNew || timer === undefined) return;
      clearTimeout(timer);
      timer = setTimeout(askAgain, SHORTEST_MS);
    },
    [Symbol.dispose]() {
      isStopped = true;
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** Only a mistake in a callback can end here. It must not go unseen. */
function crash(error: unknown): never {
  throw error;
}
