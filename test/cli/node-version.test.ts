import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { problemOfNode } from '../../src/cli/node-version.ts';

test('an older Node.js than the package asks for is refused, and told by its version', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(engines.node).toBe('>=24');
  expect(problemOfNode('23.11.1')).toBe('error: icapgw needs Node.js 24 or later, and this is 23.11.1\n');
  expect(problemOfNode('20.20.2')).toContain('20.20.2');
});

test.each(['24.0.0', '26.10.0', process.versions.node])('%s will do', (version) => {
  expect(problemOfNode(version)).toBeUndefined();
});
