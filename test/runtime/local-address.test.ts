import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { resolveLocalAddresses } from '../../src/runtime/local-address.ts';

function configOf(...localAddresses: readonly (string | undefined)[]): Config {
  const services = localAddresses.map((localAddress, index) => ({ name: `${index}`, sockets: { localAddress } }));
  return { services } as unknown as Config;
}

test('a name becomes an address, and nothing else changes', async () => {
  const { services } = await resolveLocalAddresses(configOf('localhost', '192.0.2.1', undefined));
  const [first, ...others] = services.map(({ sockets }) => sockets.localAddress);
  expect(['127.0.0.1', '::1']).toContain(first);
  expect(others).toEqual(['192.0.2.1', undefined]);
});

test('a configuration without names stays as it is', async () => {
  const config = configOf('192.0.2.1', undefined);
  expect(await resolveLocalAddresses(config)).toBe(config);
});

test('a name that does not resolve is told with its service', async () => {
  await expect(resolveLocalAddresses(configOf(undefined, 'nobody.invalid'))).rejects.toMatchObject({
    code: 'ICAPGW_LOCAL_ADDRESS',
    message: expect.stringContaining('service 1: nobody.invalid'),
  });
});
