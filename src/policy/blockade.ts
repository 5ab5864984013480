import { SourceList } from './source-list.ts';

/** Whom the operator has blocked, as one worker knows it: one for all its services, through every reload. */
export class Blockade {
  #list: SourceList;

  /** Throws where an entry is neither an address nor a CIDR; whoever blocks one says so first. */
  constructor(addresses: readonly string[]) {
    this.#list = listOf(addresses);
  }

  replace(addresses: readonly string[]): void {
    this.#list = listOf(addresses);
  }

  /** Undefined is a peer on a unix socket, which has no address and cannot be blocked. */
  admits(address: string | undefined): boolean {
    return this.#list.admits(address);
  }
}

function listOf(addresses: readonly string[]): SourceList {
  return SourceList.from({ allow: [], deny: addresses });
}
