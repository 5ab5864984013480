import { CARD_FINDING, CardNumberDetector } from './card-number.ts';
import { EICAR_FINDING, EicarDetector } from './eicar.ts';
import type { Finding } from './finding.ts';

/** Runs the detectors over one body. What is archived, compressed or encoded is not looked into. */
export class BodyScanner {
  readonly #detectors = [
    { detector: new EicarDetector(), finding: EICAR_FINDING },
    { detector: new CardNumberDetector(), finding: CARD_FINDING },
  ];
  #finding: Finding | undefined;

  /** The first thing that was found. */
  get finding(): Finding | undefined {
    return this.#finding;
  }

  push(data: Buffer): void {
    this.#finding ??= this.#detectors.find(({ detector }) => detector.push(data))?.finding;
  }

  end(): void {
    this.#finding ??= this.#detectors.find(({ detector }) => detector.end())?.finding;
  }
}
