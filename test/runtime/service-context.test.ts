import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ServiceConfig } from '../../src/config/config.ts';
import { createClientTls } from '../../src/runtime/service-context.ts';
import { loadServiceMaterial } from '../../src/tls/service-material.ts';
import { certificates } from '../_util/certificates.ts';
import { serviceOf } from '../_util/config-text.ts';
import { serviceTlsConfig, type TlsServiceOptions } from '../_util/tls-service.ts';

const lab = certificates();
const ONE: TlsServiceOptions = { clientAuth: { ca: [lab.ca.cert] } };

/** The ticket keys of a service in a process that has just been started. */
function keysOf(options: TlsServiceOptions): Buffer {
  const tls = serviceTlsConfig(options);
  const config: ServiceConfig = { ...serviceOf({}), name: options.name ?? 'dlp', tls };
  const made = createClientTls(config, loadServiceMaterial(tls), { secret: randomBytes(32), epoch: 0 });
  if (made === undefined) throw new TypeError('a service with TLS has a context');
  const { context } = made.context as unknown as { readonly context: { getTicketKeys(): Buffer } };
  return context.getTicketKeys();
}

function withSecret(value: string | undefined, change: TlsServiceOptions = ONE): Buffer {
  return keysOf({ ...change, tls: { ...change.tls, ticketSecret: { value, file: undefined } } });
}

describe('the keys of session tickets', () => {
  const secret = 'b'.repeat(32);

  test('are of one process', () => {
    expect(withSecret(undefined)).not.toEqual(withSecret(undefined));
  });

  test('are the same in every process with the same secret', () => {
    expect(withSecret(secret)).toEqual(withSecret(secret));
  });

  test.each<[string, Buffer]>([
    ['another secret', withSecret('c'.repeat(32))],
    ['another service', withSecret(secret, { ...ONE, name: 'other' })],
    ['a service that trusts others', withSecret(secret, { clientAuth: { ca: [lab.otherCa.cert] } })],
    ['a service that asks nobody', withSecret(secret, { clientAuth: { mode: 'none' } })],
  ])('are not those of %s', (_, other) => {
    expect(withSecret(secret)).not.toEqual(other);
  });
});
