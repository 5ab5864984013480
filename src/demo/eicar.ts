import type { Detector, Finding } from './finding.ts';

/** The industry's harmless test string, put together here so that no scanner stops at this file. */
export const EICAR: string = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}', '$EICAR-STANDARD-ANTIVIRUS-', 'TEST-FILE!$H+H*'].join('');

export const EICAR_FINDING: Finding = {
  threat: 'EICAR-Test-File',
  type: 0,
  text: 'The document contains the EICAR anti-virus test string.',
};

const NEEDLE = Buffer.from(EICAR, 'latin1');
const KEPT_BYTES = NEEDLE.length - 1;

/** Finds the test string anywhere, also where it is cut by chunks. */
export class EicarDetector implements Detector {
  /** The last bytes seen, which may be the beginning of the string. */
  #tail: Buffer = Buffer.alloc(0);

  push(data: Buffer): boolean {
    const border = Buffer.concat([this.#tail, data.subarray(0, KEPT_BYTES)]);
    const found = border.includes(NEEDLE) || data.includes(NEEDLE);
    // A copy: a view would keep the whole received buffer alive.
    this.#tail = Buffer.from(data.length < KEPT_BYTES ? border.subarray(-KEPT_BYTES) : data.subarray(-KEPT_BYTES));
    return found;
  }

  end(): boolean {
    return false;
  }
}
