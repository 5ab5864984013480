import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadServiceMaterial, materialWarnings } from '../../src/tls/service-material.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { serviceTlsConfig } from '../_util/tls-service.ts';

const SECRET = 'a'.repeat(32);
const load = (file: string) =>
  loadServiceMaterial(
    serviceTlsConfig({ tls: { ticketSecret: { value: undefined, file } }, clientAuth: { mode: 'none' } }),
  );

describe('a secret for tickets in a file', () => {
  test('is the line without its end', () => {
    using folder = createConfigFolder({ secret: `${SECRET}\n` });
    chmodSync(join(folder.path, 'secret'), 0o600);
    const material = load(join(folder.path, 'secret'));
    expect(material.ticketSecret?.text).toBe(SECRET);
    expect(materialWarnings(material)).toEqual([]);
  });

  test.each([
    ['is too short', SECRET.slice(1)],
    ['has blanks', `${SECRET} ${SECRET}`],
    ['is empty', ''],
  ])('that %s is refused, and not repeated', (_, text) => {
    using folder = createConfigFolder({ secret: text });
    const file = join(folder.path, 'secret');
    expect(() => load(file)).toThrow(/at least 32 characters without blanks/);
    expect(() => load(file)).toThrow(expect.objectContaining({ file, message: expect.not.stringContaining('aaaa') }));
  });

  test.skipIf(process.platform === 'win32')('that every account can read is told of', () => {
    using folder = createConfigFolder({});
    const file = join(folder.path, 'secret');
    writeFileSync(file, SECRET, { mode: 0o600 });
    chmodSync(file, 0o644);
    expect(materialWarnings(load(file))).toEqual([expect.stringContaining('chmod 600')]);
  });
});
