import { isIP } from 'node:net';
import type { Member } from '../balance/policy.ts';
import type { PoolState } from '../balance/pool-state.ts';
import { SlotRange } from '../balance/slot-range.ts';
import { formatAddress } from '../config/address.ts';
import type { Address, BackendConfig } from '../config/config.ts';
import { type Discovery, startDiscovery } from './discovery.ts';
import type { Resolver } from './resolver.ts';

const SLOTS_OF_A_NAME = 16;

/** A member with the address to connect to: for TCP an IP address, never a name. Plain values, fit for a worker. */
export interface AddressedMember extends Member {
  readonly backendName: string;
  readonly address: Address;
  /** `10.0.0.5:1344`, `[2001:db8::5]:1344` or `unix:/run/dlp.sock`. */
  readonly addressText: string;
}

export interface MembershipOptions {
  readonly backends: readonly BackendConfig[];
  /** With `countSlots(backends)` slots. */
  readonly state: PoolState;
  readonly resolver: Resolver;
  /** Called with all members whenever one comes or goes; literal addresses are told before `startMembership` returns. */
  readonly onMembers: (members: readonly AddressedMember[]) => void;
  /** A name has more addresses than slots: these are not used. */
  readonly onIgnored: (backend: BackendConfig, addresses: readonly string[]) => void;
  /** A name cannot be resolved any more, or for the first time. Told once; its last good addresses stay. */
  readonly onResolveFailure: (backend: BackendConfig, error: unknown) => void;
  readonly onResolveRecovery: (backend: BackendConfig) => void;
}

export interface Membership extends Disposable {
  /** Resolves when every name was asked for once, with or without success. */
  readonly settled: Promise<void>;
}

/** How many slots the pool of these backends needs: 1 for a literal address, 16 for a name. */
export function countSlots(backends: readonly BackendConfig[]): number {
  return backends.reduce((sum, backend) => sum + slotCountOf(backend), 0);
}

/** Turns backends into members and keeps them so while names change their addresses. Runs until disposed. */
export function startMembership(options: MembershipOptions): Membership {
  const { backends, state, resolver, onMembers, onIgnored, onResolveFailure, onResolveRecovery } = options;
  const membersOf = new Map<BackendConfig, readonly AddressedMember[]>();
  const discoveries: Discovery[] = [];
  const tell = (): void => onMembers(backends.flatMap((backend) => membersOf.get(backend) ?? []));
  const isBusy = (slot: number): boolean => state.openOf(slot) > 0;

  const follow = (backend: BackendConfig, index: number, host: string, range: SlotRange): Discovery =>
    startDiscovery({
      host,
      resolver,
      onAddresses: (addresses) => {
        const { slots, ignored } = range.assign(addresses, isBusy);
        if (ignored.length > 0) onIgnored(backend, ignored);
        membersOf.set(
          backend,
          Array.from(slots, ([ip, slot]) => createMember(backend, index, slot, ip)),
        );
        tell();
      },
      onFailure: (error) => onResolveFailure(backend, error),
      onRecovery: () => onResolveRecovery(backend),
    });

  let firstSlot = 0;
  for (const [index, backend] of backends.entries()) {
    const host = nameOf(backend);
    if (host === undefined) membersOf.set(backend, [createMember(backend, index, firstSlot, undefined)]);
    else discoveries.push(follow(backend, index, host, new SlotRange(firstSlot, SLOTS_OF_A_NAME)));
    firstSlot += slotCountOf(backend);
  }
  tell();

  return {
    settled: Promise.all(discoveries.map(({ settled }) => settled)).then(() => {}),
    [Symbol.dispose]() {
      for (const discovery of discoveries) discovery[Symbol.dispose]();
    },
  };
}

function slotCountOf(backend: BackendConfig): number {
  return nameOf(backend) === undefined ? 1 : SLOTS_OF_A_NAME;
}

/** The name that has to be resolved, or undefined for a literal address. */
function nameOf({ address }: BackendConfig): string | undefined {
  return address.kind === 'tcp' && isIP(address.host) === 0 ? address.host : undefined;
}

function createMember(backend: BackendConfig, index: number, slot: number, ip: string | undefined): AddressedMember {
  const { name, priority, weight, maxConnections } = backend;
  const address =
    ip === undefined || backend.address.kind === 'unix' ? backend.address : { ...backend.address, host: ip };
  const addressText = formatAddress(address);
  // The name keeps two backends on one address apart; neither depends on the order in the file.
  const key = `${name} ${addressText}`;
  return { slot, backend: index, priority, weight, maxConnections, key, backendName: name, address, addressText };
}
