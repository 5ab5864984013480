import { describe, expect, test } from 'vitest';
import { formatAddress } from '../../src/config/address.ts';
import type { Address, Config } from '../../src/config/config.ts';
import type { Generation } from '../../src/runtime/generation.ts';
import { keepFree, wantedAddresses } from '../../src/runtime/reload-address.ts';
import { startTunnelBackend } from '../_util/e2e-tunnel.ts';
import { createLog } from '../_util/observe-log.ts';

type Places = Readonly<Record<string, readonly string[]>>;

function configOf(services: Places, listenRequire: 'all' | 'any' = 'all'): Config {
  const all = Object.entries(services).map(([name, listen]) => ({
    ...{ name, listen: listen.map(addressOf), listenRequire, sockets: { ipv6Only: false } },
  }));
  return { services: all } as unknown as Config;
}

/** A configuration that is in force, with the ports that were given to its services. */
function boundTo(services: Places, bound: Places): Generation {
  const addresses = Object.keys(services).map((name) => (bound[name] ?? []).map(addressOf));
  return { config: configOf(services), addresses } as unknown as Generation;
}

function addressOf(text: string): Address {
  const { host, port } = /^(?<host>.*):(?<port>\d+)$/.exec(text)?.groups ?? {};
  return { kind: 'tcp', host: host ?? '', port: Number(port) };
}

function wanted(before: Generation, services: Places): readonly (readonly string[])[] {
  return wantedAddresses(before, configOf(services)).map((each) => each.map(formatAddress));
}

describe('a service accepts', () => {
  const before = boundTo(
    { a: ['127.0.0.1:0', '127.0.0.1:1344'], b: ['127.0.0.1:0'] },
    { a: ['127.0.0.1:40001', '127.0.0.1:1344'], b: ['127.0.0.1:40002'] },
  );

  test('where it does already, under the port that it was given', () => {
    const services = { b: ['127.0.0.1:0'], a: ['127.0.0.1:1344', '127.0.0.1:0'] };
    expect(wanted(before, services)).toEqual([['127.0.0.1:40002'], ['127.0.0.1:1344', '127.0.0.1:40001']]);
  });

  test('anew where it did not, also at what was given to another service', () => {
    const services = { c: ['127.0.0.1:0'], a: ['127.0.0.1:1345'] };
    expect(wanted(before, services)).toEqual([['127.0.0.1:0'], ['127.0.0.1:1345']]);
  });
});

describe('an address that somebody listens on', () => {
  test('is refused, unless it is this gateway that does', async () => {
    await using taken = await startTunnelBackend();
    const { address } = taken;
    const here = boundTo({ a: ['127.0.0.1:0'] }, { a: [address] });
    const elsewhere = boundTo({ a: ['127.0.0.1:0'] }, { a: ['127.0.0.1:1'] });
    await using told = await createLog();
    await expect(keepFree(elsewhere, configOf({ a: [address] }), told.log)).rejects.toThrow(address);
    await expect(keepFree(undefined, configOf({ a: [address] }), told.log)).rejects.toThrow(address);
    // It stays, or goes over to another service.
    const kept = configOf({ a: ['127.0.0.1:0'] });
    expect(await keepFree(here, kept, told.log)).toBe(kept);
    const moved = configOf({ b: [address] });
    expect(await keepFree(here, moved, told.log)).toBe(moved);
    expect(await told.events()).toEqual([]);
  });

  test('is done without by a service that needs only some of its addresses', async () => {
    await using taken = await startTunnelBackend();
    const { address } = taken;
    await using told = await createLog();
    const config = configOf({ a: [address, '127.0.0.1:0'], b: ['127.0.0.1:0'] }, 'any');
    const { services } = await keepFree(undefined, config, told.log);
    expect(services.map(({ listen }) => listen.map(formatAddress))).toEqual([['127.0.0.1:0'], ['127.0.0.1:0']]);
    expect(await told.events()).toMatchObject([{ event: 'listen-skipped', service: 'a', address, code: 'EADDRINUSE' }]);
  });

  test('keeps a service from starting that has no other', async () => {
    await using taken = await startTunnelBackend();
    await using told = await createLog();
    const config = configOf({ a: [taken.address] }, 'any');
    await expect(keepFree(undefined, config, told.log)).rejects.toThrow(taken.address);
  });
});
