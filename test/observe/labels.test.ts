import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BACKEND_RESULTS, REJECT_REASONS } from '../../src/observe/labels.ts';

const GATEWAY = globSync('src/gateway/*.ts')
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

test.each([...REJECT_REASONS, ...BACKEND_RESULTS])('the gateway has a use for the label value %s', (value) => {
  expect(GATEWAY).toContain(`'${value}'`);
});
