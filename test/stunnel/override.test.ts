import { expect, test } from 'vitest';
import { ROOT } from '../../src/config/schema/root-schema.ts';
import { SERVICE } from '../../src/config/schema/service-schema.ts';
import { PROCESS_KEYS, SERVICE_KEYS } from '../../src/stunnel/override.ts';

test('keys about the whole process are all but those of services', () => {
  const names = ROOT.keys.map(({ name }) => name).filter((name) => name !== 'services');
  expect([...PROCESS_KEYS].toSorted()).toEqual(names.toSorted());
});

test('keys about one service are all of a service', () => {
  expect([...SERVICE_KEYS].toSorted()).toEqual(SERVICE.keys.map(({ name }) => name).toSorted());
});
