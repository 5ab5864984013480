import { vector } from './icap-vectors.ts';

/** Numbers that look random and are the same for the same seed. */
export interface Dice {
  /** From 0 up to but not including `count`. */
  below(count: number): number;
  oneOf<T>(items: readonly T[]): T;
  /** True so many times in a hundred. */
  percent(share: number): boolean;
}

export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const below = (count: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
  return {
    below,
    oneOf: <T>(items: readonly T[]): T => items[below(items.length)] as T,
    percent: (share) => below(100) < share,
  };
}

/** As long as the host names in the vectors, so that it can take their place without changing an offset. */
const MARKER = /~[0-9a-f]{19}~/g;
const HOST = 'www.origin-server.com';
const BODY = 'I am posting this information.';

/** Text that no other connection sends. A damaged one is not mistaken for that of another: half of it is a check. */
export function markerOf(index: number): string {
  const check = createDice(index ^ 0x5bd1e995);
  const half = (check.below(0x10000000) * 16 + check.below(16)).toString(16).padStart(11, '0');
  return `~${index.toString(16).padStart(8, '0')}${half}~`;
}

/** The connections whose markers are in some bytes, each once. */
export function markersIn(bytes: Buffer): readonly number[] {
  const found = new Set<number>();
  for (const [marker] of bytes.toString('latin1').matchAll(MARKER)) {
    const index = Number.parseInt(marker.slice(1, 9), 16);
    if (markerOf(index) === marker) found.add(index);
  }
  return [...found];
}

/** Bytes of a vector that bear a marker where they can. */
export function marked(name: string, marker: string): Buffer {
  const text = vector(name).toString('latin1');
  return Buffer.from(text.replaceAll(HOST, marker).replaceAll(BODY, marker.padEnd(BODY.length, '.')), 'latin1');
}

const DICTIONARY = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ' ',
    '\t',
    ';',
    ':',
    '=',
    ',',
    '-',
    '0',
    'f',
    '\xff',
    'ffffffff',
    '100000005',
  ],
  ...[
    '0\r\n\r\n',
    '0; ieof\r\n\r\n',
    '0; use-original-body=1\r\n\r\n',
    '5;x=y\r\n',
    'null-body=0',
    'req-hdr=0',
    'res-body=0',
  ],
  ...[
    'Preview: 0\r\n',
    'Preview: 4\r\n',
    'Allow: 204\r\n',
    'Allow: 204, 206\r\n',
    'Connection: close\r\n',
    'Host: h\r\n',
  ],
  ...[
    'Encapsulated: req-hdr=0, null-body=0\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    ' ICAP/1.0',
  ],
  ...[
    'OPTIONS icap://h/reqmod ICAP/1.0\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'REQMOD ',
    'RESPMOD ',
    'HTTP/1.1 200 OK\r\n\r\n',
  ],
];

/** A message with some of its bytes replaced, removed, doubled, or cut off. */
export function damaged(message: Buffer, dice: Dice): Buffer {
  let bytes = message;
  for (let edits = 1 + dice.below(4); edits > 0; edits -= 1) {
    const at = dice.below(bytes.length + 1);
    const removed = dice.percent(50) ? 0 : dice.below(8);
    const before = bytes.subarray(0, at);
    const after = bytes.subarray(at + removed);
    switch (dice.below(6)) {
      case 0:
      case 1:
      case 2:
        bytes = Buffer.concat([before, Buffer.from(dice.oneOf(DICTIONARY), 'latin1'), after]);
        break;
      case 3:
        bytes = Buffer.concat([before, Buffer.from([dice.below(256)]), bytes.subarray(at + 1)]);
        break;
      case 4:
        bytes = Buffer.concat([before, bytes.subarray(dice.below(at + 1), at + dice.below(64)), after]);
        break;
      default:
        bytes = dice.percent(30) ? before : Buffer.concat([before, after]);
    }
  }
  return bytes;
}

/** The same bytes in a few pieces. */
export function cut(bytes: Buffer, dice: Dice): readonly Buffer[] {
  const places = Array.from({ length: dice.below(5) }, () => dice.below(bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...places].map((place, index) => bytes.subarray(place, places[index] ?? bytes.length));
}
