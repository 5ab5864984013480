import { expect, test } from 'vitest';
import { createConnectionName } from '../../src/observe/connection-name.ts';

test('a unique name is the same for all lines of a connection, and no other has it', () => {
  const name = createConnectionName('unique');
  const other = createConnectionName('unique');
  const names = Array.from({ length: 1000 }, (_, connection) => name(connection));
  expect(names.map((_, connection) => name(connection))).toEqual(names);
  expect(new Set([...names, other(0)]).size).toBe(1001);
  for (const each of names) expect(each).toMatch(/^[0-9A-Za-z]{22}$/);
});

test('the others are numbers', () => {
  expect([createConnectionName('sequential')(7), createConnectionName('process')(7)]).toEqual([
    '7',
    String(process.pid),
  ]);
});
