import { expect, test } from 'vitest';
import type { BackendExchange } from '../../../src/gateway/icap/backend-exchange.ts';
import { Drain } from '../../../src/gateway/icap/client-sink.ts';
import type { TransactionHost } from '../../../src/gateway/icap/transaction-host.ts';

const MIB = 1024 * 1024;

function drained(isAnswered: boolean, pieces: readonly Buffer[]): readonly boolean[] {
  const ends: boolean[] = [];
  const drain = new Drain({} as TransactionHost, undefined, isAnswered, (isTooMuch) => ends.push(isTooMuch));
  for (const piece of pieces) {
    drain.addBody(piece);
    drain.settle();
  }
  return ends;
}

test('a client that has its answer may send 8 MiB more, and not a byte above', () => {
  const pieces = Array.from({ length: 8 }, () => Buffer.alloc(MIB));
  expect(drained(true, pieces)).toEqual([]);
  expect(drained(true, [...pieces, Buffer.alloc(1)])).toEqual([true]);
});

test('a client that waits for its answer is listened to until it has sent all', () => {
  expect(drained(false, Array(16).fill(Buffer.alloc(MIB)))).toEqual([]);
});

test('a backend that has answered still gets the rest, and the client waits for it', () => {
  const told: string[] = [];
  const host = { pauseReading: () => told.push('pause') } as unknown as TransactionHost;
  const exchange = {
    addBody: (piece: Buffer) => told.push(piece.toString()),
    endBody: () => told.push('end'),
    flush: () => told.length > 1,
  } as unknown as BackendExchange;
  const drain = new Drain(host, exchange, true, (isTooMuch) => told.push(`over ${isTooMuch}`));
  drain.addBody(Buffer.from('one'));
  drain.settle();
  drain.addBody(Buffer.from('two'));
  drain.settle();
  drain.endBody();
  expect(told).toEqual(['one', 'pause', 'two', 'end', 'over false']);
});
