import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConfigResult } from '../../src/config/config.ts';
import { validate } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';
import type { Problem } from '../../src/errors.ts';

const ENVIRONMENT = { cores: 2, cwd: '/etc/icapgw' };

const SEED = `log: { level: info, file: "-" }
admin: { listen: 127.0.0.1:9344, token-file: token }
services:
  - name: mcas
    listen: [0.0.0.0:11344, "[::1]:11344"]
    protocol: tunnel
    tls:
      cert: &pem dlp.pem
      client-auth: { mode: require, ca: [ca.pem, *pem], allow: { sans: [a.example] } }
    proxy-protocol: { accept: v1, from: [10.0.0.0/8] }
    limits: { connections: 10, handshakes-per-source: 5/s, body: 1MiB }
    timeouts: { idle: 12h, close: never }
    balance: least-connections
    backends:
      - { address: "10.0.0.5:1344", weight: 2, tls: { ca: ca.pem } }
      - address: unix:/run/dlp.sock
    health: { type: tcp, jitter: 10% }
    headers: { set: { X-A: b } }
`;

const FRAGMENTS = [
  '\t',
  '\n',
  '  ',
  ': ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '&a ',
  '*a',
  '!!x ',
  '# ',
  '|',
  '\0',
  '\u2028',
];
const WORDS = [
  'null',
  '-1',
  '1e999',
  '.nan',
  'true',
  'off',
  '9'.repeat(30),
  '__proto__',
  '<<',
  'constructor',
  '::1',
  '%',
  'srv:x',
];

const edit = fc.record({
  at: fc.nat(SEED.length),
  remove: fc.nat(30),
  insert: fc.oneof(fc.constantFrom(...FRAGMENTS, ...WORDS), fc.string({ unit: 'binary', maxLength: 8 })),
});

function mutate(edits: readonly { at: number; remove: number; insert: string }[]): string {
  return edits.reduce((text, { at, remove, insert }) => text.slice(0, at) + insert + text.slice(at + remove), SEED);
}

function expectSound({ config, problems }: ConfigResult): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  expect(errors.length === 0).toBe(config !== undefined);
  for (const { line, message } of problems) {
    expect(Number.isInteger(line) && line >= 0).toBe(true);
    expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  }
}

function check(text: string): void {
  const { document, problems } = readYaml(text, 'fuzz.yaml');
  const lineCount = text.split('\n').length;
  const result: ConfigResult =
    document === undefined ? { config: undefined, problems } : validate(document, ENVIRONMENT);
  expectSound(result);
  expect(result.problems.every((problem: Problem) => problem.line <= lineCount)).toBe(true);
}

test('the seed is usable', () => {
  const { document } = readYaml(SEED, 'fuzz.yaml');
  expect(document && validate(document, ENVIRONMENT).config).toBeDefined();
});

test('damaged YAML gives problems and never throws', () => {
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => check(mutate(edits))),
    { seed: 1, numRuns: 1_500 },
  );
});

test('text that never was YAML gives problems and never throws', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), check), { seed: 2, numRuns: 500 });
});

test('any plain data at any place gives problems and never throws', () => {
  const place = fc.constantFrom(
    [],
    ['log'],
    ['services'],
    ['services', 0],
    ['services', 0, 'tls'],
    ['services', 0, 'tls', 'client-auth'],
    ['services', 0, 'backends'],
    ['services', 0, 'backends', 0, 'tls'],
    ['services', 0, 'limits', 'body'],
    ['services', 0, 'listen', 0],
    ['services', 0, 'headers', 'set'],
  );
  const value = fc.oneof(fc.jsonValue(), fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }));
  fc.assert(
    fc.property(place, value, fc.constantFrom('yaml' as const, 'stunnel' as const), (path, replacement, format) => {
      const root: unknown = readYaml(SEED, 'fuzz.yaml').document?.value;
      const replaced = replaceAt(root, path, replacement);
      expectSound(validate({ file: 'fuzz', format, value: replaced, lineOf: () => 1 }, ENVIRONMENT));
    }),
    { seed: 3, numRuns: 1_000 },
  );
});

function replaceAt(root: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = path.slice(0, -1).reduce((inner, key) => Reflect.get(inner as object, key), root);
  Reflect.set(parent as object, last, value);
  return root;
}
