import { isIP } from 'node:net';
import type { Member } from '../balance/policy.ts';
import type { PoolState } from '../balance/pool-state.ts';
import { SlotRange } from '../balance/slot-range.ts';
import { formatAddress } from '../config/address.ts';
import type { BackendAddress, BackendConfig, TargetAddress } from '../config/config.ts';
import { type Discovery, startDiscovery } from './discovery.ts';
import type { Endpoint } from './endpoint.ts';
import type { NameMemory, SoughtName } from './name-lookup.ts';
import type { Resolver } from './resolver.ts';

const SLOTS_OF_A_NAME = 16;
/** More than there are ranks, so that those of one configured priority lie before the next one. */
const RANKS = 64;

/** A member with the address to connect to: for TCP an IP address, never a name. Plain values, fit for a worker. */
export interface AddressedMember extends Member {
  readonly backendName: string;
  readonly address: TargetAddress;
  /** `10.0.0.5:1344`, `[2001:db8::5]:1344`, `unix:/run/dlp.sock` or `exec:/usr/bin/program`. */
  readonly addressText: string;
  /** Who is there: the host as it is configured, or the target of an SRV record. For names in certificates. */
  readonly hostName: string;
  /** `host:port` as it is called in requests. */
  readonly authority: string;
}

export interface MembershipOptions {
  readonly backends: readonly BackendConfig[];
  /** With `countSlots(backends)` slots. */
  readonly state: PoolState;
  readonly resolver: Resolver;
  /** Of the same service, still running: where its names lead is known from the start. */
  readonly earlier: Membership | undefined;
  /** Called with all members whenever one comes or goes; those that are known are told before `startMembership` returns. */
  readonly onMembers: (members: readonly AddressedMember[]) => void;
  /** A name leads to more addresses than there are slots: these are not used. */
  readonly onIgnored: (backend: BackendConfig, addresses: readonly string[]) => void;
  /** A name, or a target of its SRV records, cannot be resolved. Told once; the last good addresses stay. */
  readonly onResolveFailure: (backend: BackendConfig, detail: string) => void;
  readonly onResolveRecovery: (backend: BackendConfig) => void;
}

export interface Membership extends Disposable {
  /** Resolves when every name was asked for once, with or without success. */
  readonly settled: Promise<void>;
  /** What is known of an address that is a name. */
  readonly memoryOf: (address: BackendAddress) => NameMemory | undefined;
  /** Whether a member of this backend fails: one with a name may have moved, and the name is asked for. */
  readonly setDoubt: (backend: BackendConfig, isDoubtful: boolean) => void;
}

/** How many slots the pool of these backends needs: 1 for a literal address, 16 for a name. */
export function countSlots(backends: readonly BackendConfig[]): number {
  return backends.reduce((sum, { address }) => sum + slotCountOf(address), 0);
}

/** Turns backends into members and keeps them so while names change their addresses. Runs until disposed. */
export function startMembership(options: MembershipOptions): Membership {
  const { backends, state, resolver, earlier, onMembers, onIgnored, onResolveFailure, onResolveRecovery } = options;
  const membersOf = new Map<BackendConfig, readonly AddressedMember[]>();
  const discoveries = new Map<BackendConfig, Discovery>();
  let isStarted = false;
  const tell = (): void => {
    if (isStarted) onMembers(backends.flatMap((backend) => membersOf.get(backend) ?? []));
  };
  const isBusy = (slot: number): boolean => state.openOf(slot) > 0;

  const follow = (
    backend: BackendConfig,
    index: number,
    sought: SoughtName,
    memory: NameMemory | undefined,
    range: SlotRange,
  ): Discovery =>
    startDiscovery({
      sought,
      resolver,
      memory,
      onEndpoints: (endpoints) => {
        const found = endpoints.map((endpoint) => createFoundMember(backend, index, endpoint));
        const ignored = found.slice(SLOTS_OF_A_NAME).map(({ addressText }) => addressText);
        if (ignored.length > 0) onIgnored(backend, ignored);
        membersOf.set(backend, range.assign(found.slice(0, SLOTS_OF_A_NAME), isBusy));
        tell();
      },
      onFailure: (detail) => onResolveFailure(backend, detail),
      onRecovery: () => onResolveRecovery(backend),
    });

  let firstSlot = 0;
  for (const [index, backend] of backends.entries()) {
    const { address } = backend;
    if (address.kind !== 'srv' && isFixed(address)) {
      membersOf.set(backend, [{ ...createFixedMember(backend, index, address), slot: firstSlot }]);
    } else if (address.kind === 'tcp' || address.kind === 'srv') {
      discoveries.set(
        backend,
        follow(backend, index, address, earlier?.memoryOf(address), new SlotRange(firstSlot, SLOTS_OF_A_NAME)),
      );
    }
    firstSlot += slotCountOf(address);
  }
  isStarted = true;
  tell();

  return {
    settled: Promise.all(Array.from(discoveries.values(), ({ settled }) => settled)).then(() => {}),
    memoryOf(address) {
      const same = [...discoveries].find(([backend]) => formatAddress(backend.address) === formatAddress(address));
      return same?.[1].memory;
    },
    setDoubt(backend, isDoubtful) {
      discoveries.get(backend)?.setDoubt(isDoubtful);
    },
    [Symbol.dispose]() {
      for (const discovery of discoveries.values()) discovery[Symbol.dispose]();
    },
  };
}

/** Whether this is one place for good, and not a name that has to be resolved. */
export function isFixed(address: BackendAddress): boolean {
  return address.kind === 'unix' || address.kind === 'exec' || (address.kind === 'tcp' && isIP(address.host) !== 0);
}

function slotCountOf(address: BackendAddress): number {
  return isFixed(address) ? 1 : SLOTS_OF_A_NAME;
}

type Unseated = Omit<AddressedMember, 'slot'>;

function createFixedMember(backend: BackendConfig, index: number, address: TargetAddress): Unseated {
  const { name, priority, weight, maxConnections } = backend;
  const addressText = formatAddress(address);
  return {
    ...{ backend: index, backendName: name, maxConnections, priority, weight },
    ...{ key: keyOf(name, addressText), address, addressText },
    hostName: address.kind === 'tcp' ? address.host : 'localhost',
    authority: address.kind === 'tcp' ? addressText : 'localhost',
  };
}

function createFoundMember(backend: BackendConfig, index: number, endpoint: Endpoint): Unseated {
  const { name, maxConnections } = backend;
  const { host, ip, port, rank, share } = endpoint;
  const address: TargetAddress = { kind: 'tcp', host: ip, port };
  const addressText = formatAddress(address);
  // A target of SRV records that takes over the address of another one has another name to prove.
  const key = backend.address.kind === 'srv' ? keyOf(name, `${host} ${addressText}`) : keyOf(name, addressText);
  return {
    ...{ backend: index, backendName: name, maxConnections, key, address, addressText },
    priority: backend.priority + rank / RANKS,
    weight: backend.weight * share,
    hostName: host,
    authority: `${host}:${port}`,
  };
}

/** The name keeps two backends on one address apart; neither depends on the order in the file. */
function keyOf(name: string, where: string): string {
  return `${name} ${where}`;
}
