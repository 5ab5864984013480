import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  BACKEND_RESULTS,
  BYPASS_RULES,
  CLOSE_REASONS,
  REJECT_REASONS,
  RETRY_REASONS,
  VERDICTS,
} from '../../src/observe/labels.ts';

function sourceOf(pattern: string): string {
  return globSync(pattern)
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}

const GATEWAY = sourceOf('src/gateway/**/*.ts');
const BELOW = sourceOf('src/{net,icap,policy}/*.ts');

test.each([...REJECT_REASONS, ...BACKEND_RESULTS])('the gateway has a use for the label value %s', (value) => {
  expect(GATEWAY).toContain(`'${value}'`);
});

test.each([...CLOSE_REASONS, ...RETRY_REASONS, ...VERDICTS, ...BYPASS_RULES])(
  'the gateway or what it builds on has a use for the label value %s',
  (value) => {
    expect(GATEWAY + BELOW).toContain(`'${value}'`);
  },
);
