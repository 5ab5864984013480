import type { Detector, Finding } from './finding.ts';

export const CARD_FINDING: Finding = {
  threat: 'Payment-Card-Number',
  type: 1,
  text: 'The document contains what looks like a payment card number.',
};

const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const DASH = 0x2d;
const MIN_DIGITS = 13;
const MAX_DIGITS = 19;
/** Nobody writes a card in shorter groups, and columns of small numbers are everywhere. */
const MIN_GROUP_DIGITS = 3;

/** Issuers by their first digits, with the lengths they use. */
const ISSUERS: readonly RegExp[] = [
  /^4(?:\d{12}|\d{15}|\d{18})$/, // Visa
  /^(?:5[1-5]\d{14}|222[1-9]\d{12}|22[3-9]\d{13}|2[3-6]\d{14}|27[01]\d{13}|2720\d{12})$/, // Mastercard
  /^3[47]\d{13}$/, // American Express
  /^(?:6011\d{12,15}|64[4-9]\d{13,16}|65\d{14,17})$/, // Discover
  /^(?:30[0-5]\d{11,16}|3[689]\d{12,17})$/, // Diners Club
  /^35(?:2[89]|[3-8]\d)\d{12,15}$/, // JCB
  /^62\d{14,17}$/, // UnionPay
];

interface Group {
  readonly digits: string;
  /** What stood between the group before and this one; 0 at the beginning of a run. */
  readonly separator: number;
}

/**
 * Finds payment card numbers: 13 to 19 digits, in one piece or in groups between equal single blanks or dashes, with a
 * known issuer and a right check digit, and no further digit touching them.
 */
export class CardNumberDetector implements Detector {
  /** Groups before the one being read, back to what could still belong to a number. */
  #groups: Group[] = [];
  #digits = '';
  /** Whether the digits being read are already too many for any number. */
  #isTooLong = false;
  #separator = 0;
  /** The byte after the last group, if a group may follow it. */
  #pendingSeparator = 0;

  push(data: Buffer): boolean {
    let found = false;
    for (let at = 0; at < data.length; at += 1) {
      const byte = data[at] ?? 0;
      if (byte >= ZERO && byte <= NINE) {
        this.#addDigit(byte);
      } else if (this.#digits !== '') {
        found = this.#endGroup() || found;
        this.#pendingSeparator = byte === SPACE || byte === DASH ? byte : 0;
      } else {
        this.#pendingSeparator = 0;
      }
    }
    return found;
  }

  end(): boolean {
    return this.#digits !== '' && this.#endGroup();
  }

  #addDigit(byte: number): void {
    if (this.#digits === '') {
      this.#separator = this.#pendingSeparator;
      if (this.#separator === 0) this.#groups = [];
    }
    if (this.#digits.length === MAX_DIGITS) this.#isTooLong = true;
    else this.#digits += String.fromCharCode(byte);
  }

  /** Whether a number ends with the group that just ended. */
  #endGroup(): boolean {
    const group: Group = { digits: this.#digits, separator: this.#separator };
    const isUsable = !this.#isTooLong && group.digits.length >= MIN_GROUP_DIGITS;
    this.#digits = '';
    this.#isTooLong = false;
    if (!isUsable) {
      this.#groups = [];
      return false;
    }
    this.#groups.push(group);
    let number = '';
    for (let first = this.#groups.length - 1; first >= 0; first -= 1) {
      const { digits, separator } = this.#groups[first] ?? group;
      number = digits + number;
      if (number.length > MAX_DIGITS) {
        this.#groups.splice(0, first + 1);
        return false;
      }
      if (number.length >= MIN_DIGITS && isCardNumber(number)) return true;
      if (separator !== group.separator) return false;
    }
    return false;
  }
}

function isCardNumber(digits: string): boolean {
  return ISSUERS.some((issuer) => issuer.test(digits)) && hasCheckDigit(digits);
}

/** The Luhn formula (ISO/IEC 7812-1): every second digit from the right counts twice. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]);
    const doubled = digit * 2;
    sum += place % 2 === 0 ? digit : doubled - (doubled > 9 ? 9 : 0);
  }
  return sum % 10 === 0;
}
