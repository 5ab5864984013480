import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadMaterial } from '../../src/runtime/material.ts';
import type { ToWorker } from '../../src/runtime/snapshot.ts';
import { type TicketHandover, TrustKeeper } from '../../src/runtime/trust-keeper.ts';
import { certificates } from '../_util/certificates.ts';
import { readConfig } from '../_util/config-text.ts';
import { createSwappedIdentity, crlWith, replaceFile } from '../_util/e2e-reload.ts';
import { createFolder, createLog } from '../_util/observe-log.ts';

const lab = certificates();
const HOUR_MS = 60 * 60 * 1000;

/** A service in clear, and one behind TLS for each of these names with its revocation list. */
function configWith(services: Readonly<Record<string, string>>): Config {
  const base = { listen: ':0', protocol: 'tunnel', backends: [{ address: '127.0.0.1:1344' }] };
  const judging = Object.entries(services).map(([name, crl]) => ({
    ...{ ...base, name },
    tls: { cert: lab.server.cert, key: lab.server.key, 'client-auth': { ca: lab.ca.cert, crl } },
  }));
  const { config, problems } = readConfig(
    JSON.stringify({ services: [{ ...base, name: 'clear', tls: 'off' }, ...judging] }),
  );
  if (config === undefined) throw new TypeError(JSON.stringify(problems));
  return config;
}

/** A keeper, and what it told the workers. */
async function keep(config: Config, generation: number, tickets: TicketHandover | undefined) {
  const file = await createLog();
  const told: ToWorker[] = [];
  const keeper = new TrustKeeper({
    ...{ config, generation, tickets, log: file.log },
    material: loadMaterial(config, () => 1).services,
    tell: (message) => told.push(message),
    onBackend: () => {},
    onExpiries: () => {},
  });
  return {
    keeper,
    told,
    events: () => file.events(),
    async [Symbol.asyncDispose]() {
      keeper[Symbol.dispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('ticket keys', () => {
  test('change twice a day, however often the configuration is loaded anew', async () => {
    // Nothing to look at on the disk, twice a second for more than a day.
    const config = configWith({});
    let tickets: TicketHandover | undefined;
    const epochs: number[] = [];
    for (let hour = 0; hour < 30; hour += 1) {
      await using kept = await keep(config, hour + 1, tickets);
      const { keeper } = kept;
      keeper.start();
      vi.advanceTimersByTime(HOUR_MS);
      expect(tickets === undefined || Buffer.from(tickets.secret).equals(keeper.tickets.secret)).toBe(true);
      tickets = keeper.handover;
      epochs.push(tickets.epoch);
    }
    expect(epochs.lastIndexOf(0)).toBe(10);
    expect(epochs.lastIndexOf(1)).toBe(22);
    expect(epochs.at(-1)).toBe(2);
  });
});

test('a certificate that OpenSSL does not take by the ciphers of its service is not told to the workers', async () => {
  await using folder = await createFolder();
  const files = createSwappedIdentity(folder.path, lab.server);
  const { config } = readConfig(
    JSON.stringify({
      services: [
        {
          ...{ name: 'strict', listen: ':0', protocol: 'tunnel', backends: [{ address: '127.0.0.1:1344' }] },
          tls: { cert: files.cert, key: files.key, ciphers: 'DEFAULT:@SECLEVEL=3' },
        },
      ],
    }),
  );
  if (config === undefined) throw new TypeError('it is usable');
  await using kept = await keep(config, 1, undefined);
  kept.keeper.start();
  files.swap(lab.rsaServer);
  vi.advanceTimersByTime(2000);
  expect(kept.told).toEqual([]);
  expect(await kept.events()).toEqual([
    expect.objectContaining({ event: 'certificates-failed', detail: expect.stringContaining('too small') }),
  ]);
  files.swap(lab.otherServer);
  vi.advanceTimersByTime(2000);
  expect(kept.told).toMatchObject([{ type: 'material' }]);
});

describe('after a reload', () => {
  test('what changed since its files were read is told at once', async () => {
    await using folder = await createFolder();
    const crl = folder.file('ca.crl');
    replaceFile(crl, crlWith());
    const config = configWith({ icap: crl });
    await using first = await keep(config, 1, undefined);
    first.keeper.start();
    await using second = await keep(config, 2, first.keeper.handover);
    replaceFile(crl, crlWith(lab.revokedClient));
    second.keeper.start();
    expect(second.told).toMatchObject([{ type: 'material', generation: 2, service: 1 }]);
  });

  test('only what is left of services is followed that the configuration in force has not', async () => {
    await using folder = await createFolder();
    const [kept, left] = [folder.file('kept.crl'), folder.file('left.crl')];
    for (const file of [kept, left]) replaceFile(file, crlWith());
    await using before = await keep(configWith({ kept, left }), 7, undefined);
    before.keeper.start();
    before.keeper.retire(configWith({ kept }));
    expect(before.keeper.isFollowing).toBe(true);
    for (const file of [kept, left]) replaceFile(file, crlWith(lab.revokedClient));
    vi.advanceTimersByTime(1000);
    expect(before.told).toMatchObject([{ type: 'material', generation: 7, service: 2 }]);
    // Nothing but that: neither ticket keys nor expiries are its business any more.
    expect(vi.getTimerCount()).toBe(1);
    before.keeper.follow(() => false);
    expect(before.keeper.isFollowing).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('nothing is followed where every service stays', async () => {
    await using folder = await createFolder();
    const crl = folder.file('ca.crl');
    replaceFile(crl, crlWith());
    await using before = await keep(configWith({ icap: crl }), 1, undefined);
    before.keeper.start();
    before.keeper.retire(configWith({ icap: crl }));
    expect(before.keeper.isFollowing).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
