import { expect, test } from 'vitest';
import { ROOT } from '../../src/config/schema/root-schema.ts';
import { PROCESS_KEYS } from '../../src/stunnel/override.ts';

test('keys about the whole process are all but those of services', () => {
  const names = ROOT.keys.map(({ name }) => name).filter((name) => name !== 'services');
  expect([...PROCESS_KEYS].toSorted()).toEqual(names.toSorted());
});
