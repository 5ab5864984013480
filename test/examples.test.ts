import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../src/config/load.ts';

const FOLDER = join(import.meta.dirname, '../examples');
const FILES = readdirSync(FOLDER).filter((name) => /\.(?:yaml|conf)$/.test(name));

test('there are examples of both formats', () => {
  expect(FILES).toEqual(
    expect.arrayContaining(['mcas.yaml', 'zscaler.yaml', 'stunnel-mcas-linux.conf', 'stunnel-mcas-windows.conf']),
  );
});

test.each(FILES.filter((name) => name.startsWith('icap-')))('%s understands ICAP', (name) => {
  const { config } = loadConfig(join(FOLDER, name), '/');
  expect(config?.services[0]?.protocol).toBe('icap');
});

test.each(FILES)('%s is usable without a warning', (name) => {
  const { config, problems } = loadConfig(join(FOLDER, name), '/');
  expect(problems).toEqual([]);
  expect(config?.services).toHaveLength(1);
});

test.each(FILES)('%s lets in only clients that are known', (name) => {
  const { config } = loadConfig(join(FOLDER, name), '/');
  for (const service of config?.services ?? []) {
    expect(service.tls?.clientAuth).toMatchObject({ mode: 'require', verify: true });
  }
});

test.each(FILES)('%s says what it is in its first line', (name) => {
  expect(readFileSync(join(FOLDER, name), 'utf8')).toMatch(/^[#;] [A-Z]/);
});
