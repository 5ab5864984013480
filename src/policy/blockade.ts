import type { EnforceLevel } from '../config/feed-config.ts';
import { SourceList } from './source-list.ts';

/** An address that a feed has blocked, with what for: `guardduty:UnauthorizedAccess:EC2/SSHBruteForce`. */
export type BlockedFor = readonly [address: string, threat: string];

/** Whom the file of an operator blocks: single addresses, in one spelling each, and CIDRs. */
export interface ListedBlocks {
  readonly addresses: readonly string[];
  readonly networks: readonly string[];
}

/** Whom a worker turns away, when it starts. Plain values. */
export interface BlockadeSnapshot {
  /** Addresses and CIDRs that an operator has blocked. */
  readonly networks: readonly string[];
  readonly listed: ListedBlocks;
  /** Addresses and CIDRs that neither of these two blocks, also in the middle of a network. */
  readonly exempt: readonly string[];
  readonly addresses: readonly BlockedFor[];
}

/** What has changed among the addresses of feeds. */
export interface BlockadeChange {
  readonly blocked: readonly BlockedFor[];
  readonly lifted: readonly string[];
}

const BY_OPERATOR = 'manual';
const BY_FILE = 'file';

/** Whom operators and feeds have blocked, as one worker knows it: one for all its services, through every reload. */
export class Blockade {
  #networks: SourceList;
  #hasNetworks: boolean;
  #listedAddresses: ReadonlySet<string> = new Set();
  #listedNetworks: SourceList = listOf([]);
  #hasListed = false;
  #exempt: SourceList;
  /** By address, in one spelling each. */
  readonly #threats: Map<string, string>;
  #levels: ReadonlySet<EnforceLevel>;

  /** Throws where an entry is neither an address nor a CIDR; whoever blocks one says so first. */
  constructor({ networks, listed, exempt, addresses }: BlockadeSnapshot, levels: readonly EnforceLevel[]) {
    this.#networks = listOf(networks);
    this.#hasNetworks = networks.length > 0;
    this.#exempt = listOf(exempt);
    this.#threats = new Map(addresses);
    this.#levels = new Set(levels);
    this.setListed(listed);
  }

  /** Where addresses of feeds are looked for from now on. What an operator blocked is always turned away as a peer. */
  setLevels(levels: readonly EnforceLevel[]): void {
    this.#levels = new Set(levels);
  }

  setNetworks(networks: readonly string[]): void {
    this.#networks = listOf(networks);
    this.#hasNetworks = networks.length > 0;
  }

  setListed({ addresses, networks }: ListedBlocks): void {
    this.#listedAddresses = new Set(addresses);
    this.#listedNetworks = listOf(networks);
    this.#hasListed = addresses.length + networks.length > 0;
  }

  setExempt(exempt: readonly string[]): void {
    this.#exempt = listOf(exempt);
  }

  change({ blocked, lifted }: BlockadeChange): void {
    for (const address of lifted) this.#threats.delete(address);
    for (const [address, threat] of blocked) this.#threats.set(address, threat);
  }

  /** Whether a peer may come in. Undefined is one on a unix socket, which has no address and cannot be blocked. */
  admits(address: string | undefined): boolean {
    if (address === undefined) return true;
    if (this.#threats.size > 0 && this.#levels.has('peer') && this.#threats.has(address)) return false;
    return this.#blockerOf(address) === undefined;
  }

  /** Whether a request could be blocked for an address at this level, so that looking for one makes sense. */
  looksFor(level: EnforceLevel): boolean {
    return (this.#threats.size > 0 || this.#hasNetworks || this.#hasListed) && this.#levels.has(level);
  }

  /** What an address in a request is blocked for; undefined: it is not. */
  threatOf(address: string): string | undefined {
    return this.#threats.get(address) ?? this.#blockerOf(address);
  }

  /** Who has blocked an address that no feed has. */
  #blockerOf(address: string): string | undefined {
    const blocker = this.#networks.admits(address) ? this.#listerOf(address) : BY_OPERATOR;
    return blocker === undefined || this.#exempt.admits(address) ? blocker : undefined;
  }

  #listerOf(address: string): string | undefined {
    if (!this.#hasListed) return undefined;
    return this.#listedAddresses.has(address) || !this.#listedNetworks.admits(address) ? BY_FILE : undefined;
  }
}

function listOf(addresses: readonly string[]): SourceList {
  return SourceList.from({ allow: [], deny: addresses });
}
