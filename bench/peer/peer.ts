import type { BenchCertificates } from '../certificates.ts';

/** What a peer's configuration is written from. */
export interface PeerSetup {
  /** An empty folder of its own, removed by the caller. */
  readonly folder: string;
  readonly port: number;
  readonly backendPort: number;
  readonly certificates: BenchCertificates;
}

/** How to start one program in the foreground as a TLS server that requires and verifies client certificates. */
export interface Peer {
  readonly name: string;
  /** Whether it is this program, in one of its modes: the report compares these with all others. */
  readonly isOurs?: boolean;
  /** Whether it only shows what something costs, and is nobody to compete with. */
  readonly isYardstick?: boolean;
  /** Where the program is, or undefined where it is not installed. */
  find(): string | undefined;
  /** Prints a version somewhere in its output. */
  readonly versionArguments: readonly string[];
  /** Writes the configuration and gives the arguments. */
  configure(setup: PeerSetup): readonly string[];
}

/** What every peer that can use several cores is given. */
export const WORKER_COUNT = 2;
