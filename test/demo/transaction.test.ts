import { expect, test } from 'vitest';
import { HoldBudget } from '../../src/demo/hold-budget.ts';
import { Transaction } from '../../src/demo/transaction.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import type { RequestHead } from '../../src/icap/request-head.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { HTTP_POST, reqmod } from '../_util/icap-vectors.ts';

function headOf(bytes: Buffer): RequestHead {
  const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
  reader.push(bytes);
  const event = reader.read();
  if (event?.type !== 'head') throw new Error('no head');
  return event.head;
}

test('connections share the memory for what is held, and give it back', () => {
  const head = headOf(reqmod([], HTTP_POST, '0\r\n\r\n'));
  const budget = new HoldBudget(10);
  const first = new Transaction(head, 100, budget);
  first.addData(Buffer.alloc(6));
  const second = new Transaction(head, 100, budget);
  second.addData(Buffer.alloc(6));
  expect(second.end('complete')).toMatchObject({ kind: 'error', status: 500 });
  expect(first.end('complete')).toMatchObject({ kind: 'echo', body: Buffer.alloc(6) });
  first.dispose();
  const third = new Transaction(head, 100, budget);
  third.addData(Buffer.alloc(10));
  expect(third.end('complete')).toMatchObject({ kind: 'echo' });
});

test('where a 204 is permitted nothing is held', () => {
  const budget = new HoldBudget(1);
  const transaction = new Transaction(headOf(reqmod(['Allow: 204'], HTTP_POST, '0\r\n\r\n')), 1, budget);
  transaction.addData(Buffer.alloc(1000));
  expect(transaction.end('complete')).toEqual({ kind: 'unmodified' });
});
