import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { KeyDescription } from '../../src/config/kind.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ROOT } from '../../src/config/schema/root-schema.ts';
import { validate } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';
import { createConfigFolder } from '../_util/config-folder.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');

/** `services[].tls.cert`: type and default, as a table of the page has them. */
function documentedKeys(): Record<string, string> {
  const keys: Record<string, string> = {};
  let prefix: string | undefined;
  for (const line of TEXT.split('\n')) {
    const heading = /^#+ (.*)$/.exec(line)?.[1];
    if (heading !== undefined) {
      const path = /^`(.*)`$/.exec(heading)?.[1];
      prefix = path === undefined ? (heading === 'Top level' ? '' : undefined) : `${path}.`;
    }
    const [key, type, fallback, ...meaning] = line
      .replace(/^\||\|$/g, '')
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|'));
    const name = /^`(.*)`$/.exec(key ?? '')?.[1];
    if (prefix === undefined || name === undefined || meaning.length !== 1) continue;
    keys[`${prefix}${name}`] = `${type}, ${fallback?.replaceAll('`', '')}`;
  }
  return keys;
}

function knownKeys(descriptions: readonly KeyDescription[], prefix: string): [string, string][] {
  return descriptions.flatMap(({ name, type, required, fallback, keys }) => {
    const path = `${prefix}${name}`;
    const below = type.startsWith('list of mapping') ? `${path}[].` : `${path}.`;
    return [
      [path, `${type}, ${required ? 'required' : written(fallback, keys)}`] as [string, string],
      ...knownKeys(keys, below),
    ];
  });
}

function written(fallback: unknown, keys: readonly KeyDescription[]): string {
  if (fallback === undefined) return '—';
  if (typeof fallback !== 'object') return String(fallback);
  // The default of a mapping is told by the text beside it.
  return keys.length > 0 && !Array.isArray(fallback) ? '—' : JSON.stringify(fallback);
}

describe('docs/configuration.md', () => {
  test('has every key with its type and default, and no other', () => {
    expect(documentedKeys()).toEqual(Object.fromEntries(knownKeys(ROOT.keys, '')));
  });

  const blocks = [...TEXT.matchAll(/^```(yaml|ini)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language,
    text,
  }));

  test.each(blocks.filter(({ language }) => language === 'yaml'))('has an example that is right: $text', ({ text }) => {
    const { document, problems } = readYaml(text ?? '', 'docs.yaml');
    expect(problems).toEqual([]);
    const value = completed(document?.value as Record<string, unknown>);
    const result = validate({ file: 'docs.yaml', format: 'yaml', value, lineOf: () => 0 }, { cores: 1, cwd: '/' });
    expect(result.problems).toEqual([]);
  });

  test.each(blocks.filter(({ language }) => language === 'ini'))('has a stunnel.conf that is right', ({ text }) => {
    using folder = createConfigFolder({ 'stunnel.conf': text ?? '' });
    const { config, problems } = loadConfig('stunnel.conf', folder.path);
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(config?.services[0]).toMatchObject({ balance: { policy: 'least-connections' }, health: { type: 'icap' } });
  });

  test('has no link to a heading that is not there', () => {
    const anchors = [...TEXT.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      (heading ?? '')
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, target] of TEXT.matchAll(/\]\(#([^)]*)\)/g)) expect(anchors).toContain(target);
  });
});

// An example shows a whole document, keys of the top level, or keys of a service.
function completed(part: Record<string, unknown>): unknown {
  const service = { name: 's', listen: ':11344', tls: 'off', backends: [{ address: 'a:1' }] };
  if ('services' in part) return part;
  const isTopLevel = Object.keys(part).every((name) => ROOT.keys.some((key) => key.name === name));
  return isTopLevel ? { services: [service], ...part } : { services: [{ ...service, ...part }] };
}
