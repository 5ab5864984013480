import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { withRevocationLists } from '../../src/tls/revocation.ts';
import { loadServiceMaterial } from '../../src/tls/service-material.ts';
import { certificates } from '../_util/certificates.ts';
import { serviceTlsConfig } from '../_util/tls-service.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-lists-'));
afterAll(() => rmSync(folder, { recursive: true }));

const loaded = loadServiceMaterial(serviceTlsConfig({ clientAuth: { ca: [lab.ca.cert], crl: [lab.crl] }, tls: {} }));

test('the same lists leave everything as it is', () => {
  expect(withRevocationLists(loaded, [lab.crl])).toBe(loaded);
});

test('other lists are taken, and tickets of before open nothing', () => {
  const changed = withRevocationLists(loaded, [lab.expiredCrl]);
  expect(changed.trust?.crlPem).not.toEqual(loaded.trust?.crlPem);
  expect(changed.trust?.hash).not.toBe(loaded.trust?.hash);
  expect(changed.policyHash).not.toBe(loaded.policyHash);
  expect(changed.keyPair).toBe(loaded.keyPair);
});

test('lists that cannot be used are refused by name', () => {
  const damaged = join(folder, 'damaged.crl');
  copyFileSync(lab.ca.cert, damaged);
  expect(() => withRevocationLists(loaded, [damaged])).toThrow(expect.objectContaining({ file: damaged }));
});
