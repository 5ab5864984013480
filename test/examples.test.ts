import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../src/config/load.ts';

const FOLDER = join(import.meta.dirname, '../examples');
/** Those of a peer, as squid, have another name or another form. */
const OTHERS = new Set(['clamav/compose.yaml', 'clamav/icapgw-scan.conf', 'kata/squid.conf', 'kata/squid-tls.conf']);
const FILES = globSync('**/*.{yaml,conf}', { cwd: FOLDER })
  .filter((name) => !OTHERS.has(name))
  .toSorted();

test('there is a folder for each recipe, and examples of both formats', () => {
  const folders = ['clamav', 'cloud-clients', 'ddan-f5', 'forcepoint', 'kata', 'symantec'];
  expect([...new Set(FILES.filter((name) => name.includes('/')).map((name) => name.split('/')[0]))]).toEqual(folders);
  expect(FILES).toEqual(
    expect.arrayContaining(['cloud-clients/stunnel-mcas-linux.conf', 'cloud-clients/stunnel-mcas-windows.conf']),
  );
});

test.each(FILES)('%s is usable without a warning', (name) => {
  const { config, problems } = loadConfig(join(FOLDER, name), '/');
  expect(problems).toEqual([]);
  expect(config?.services.length).toBeGreaterThan(0);
});

test.each(FILES.filter((name) => name.endsWith('/icapgw.yaml')))('%s understands ICAP', (name) => {
  const { config } = loadConfig(join(FOLDER, name), '/');
  expect(config?.services.map(({ protocol }) => protocol)).not.toContain('tunnel');
});

test.each(FILES)('%s lets in only clients that are known', (name) => {
  const { config } = loadConfig(join(FOLDER, name), '/');
  for (const { name: service, tls } of config?.services ?? []) {
    if (tls?.clientAuth.mode !== 'require') expect(servicesByAddress(name)).toContain(service);
    else expect(tls.clientAuth).toMatchObject({ mode: 'require', verify: true });
  }
});

test.each(FILES)('%s says what it is in its first line', (name) => {
  expect(readFileSync(join(FOLDER, name), 'utf8')).toMatch(/^[#;] \S+ /);
});

/** The services that only this machine, or a list of addresses, can reach. */
function servicesByAddress(name: string): readonly string[] {
  const { services } = parse(readFileSync(join(FOLDER, name), 'utf8')) as {
    readonly services: readonly { readonly name: string; readonly listen: string; readonly 'allow-from'?: string[] }[];
  };
  return services
    .filter(({ listen, 'allow-from': allowed = [] }) => listen.startsWith('127.0.0.1:') || allowed.length > 0)
    .map((service) => service.name);
}
