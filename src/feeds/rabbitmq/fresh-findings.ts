import type { Sighting } from '../contract/feed-queue.ts';

/** A finding that was handed to the broker. */
export interface FreshFinding {
  readonly sighting: Sighting;
  /** Epoch milliseconds. */
  readonly sentMs: number;
}

/** Of those beyond it the first are forgotten. */
const MAX_FINDINGS = 10_000;

/** What a broker has confirmed so lately that it may not have it any more when it was killed. */
export class FreshFindings {
  readonly #freshMs: number;
  #findings: FreshFinding[] = [];

  /** For so long a finding is fresh. */
  constructor(freshMs: number) {
    this.#freshMs = freshMs;
  }

  add(sightings: readonly Sighting[], sentMs: number): void {
    const old = this.#findings.findIndex((each) => sentMs - each.sentMs < this.#freshMs);
    this.#findings.splice(0, old === -1 ? this.#findings.length : old);
    for (const sighting of sightings) this.#findings.push({ sighting, sentMs });
    this.#findings.splice(0, this.#findings.length - MAX_FINDINGS);
  }

  /** Those that are fresh at that time. They are forgotten here. */
  take(nowMs: number): readonly FreshFinding[] {
    const findings = this.#findings;
    this.#findings = [];
    return findings.filter(({ sentMs }) => nowMs - sentMs < this.#freshMs);
  }
}
