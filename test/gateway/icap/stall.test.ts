import { expect, test } from 'vitest';
import { Stall } from '../../../src/gateway/icap/stall.ts';

test('a stall lasts from when the number of bytes was first seen, and begins anew when it changes', () => {
  const stall = new Stall(1_000);
  expect(stall.lastsMs(1_200, 500)).toBe(0);
  expect(stall.lastsMs(1_700, 500)).toBe(500);
  expect(stall.lastsMs(1_800, 400)).toBe(0);
  expect(stall.lastsMs(2_000, 400)).toBe(200);
  expect(stall.lastsMs(2_100, 500)).toBe(0);
});

test('none left is a number like any other', () => {
  const stall = new Stall(0);
  expect(stall.lastsMs(100, 0)).toBe(0);
  expect(stall.lastsMs(350, 0)).toBe(250);
});
