import { describe, expect, test } from 'vitest';
import { HOUR_MS, LINGER_MS, startSmcRig } from '../../_util/smc-rig.ts';

const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2', type: 'fw_cluster' }, { name: 'NGFW 3', type: 'virtual_fw' }];

describe('a session', () => {
  test.each([
    { versions: ['6.6', '6.7', '6.8'], prefix: '/6.7', rel: 'blacklist' },
    { versions: ['6.9', '6.10', '6.11'], prefix: '/6.9', rel: 'blacklist' },
    { versions: ['7.1', '7.0'], prefix: '/7.0', rel: 'block_list' },
  ])('with an SMC that offers $versions', async ({ versions, prefix, rel }) => {
    await using rig = await startSmcRig({ versions, ownName: 'https://smc.internal.example:9999' });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.calls.map(({ method, target }) => `${method} ${target}`)).toEqual([
      'GET /api',
      `POST ${prefix}/login`,
      `GET ${prefix}/api`,
      `GET ${prefix}/elements?filter_context=engine_clusters`,
      `GET ${prefix}/elements/single_fw/1`,
      `POST ${prefix}/elements/single_fw/1/${rel}`,
      `PUT ${prefix}/logout`,
    ]);
    const entry = { address_mode: 'address', ip_network: '198.51.100.0/32' };
    expect(rig.smc.entriesOf('NGFW 1')).toEqual([
      { end_point1: { address_mode: 'any' }, end_point2: entry, duration: 3600 },
      { end_point1: entry, end_point2: { address_mode: 'any' }, duration: 3600 },
    ]);
    expect(rig.smc.sessionCount).toBe(0);
    expect(rig.smc.complaints).toEqual([]);
    expect(rig.sink.status()).toMatchObject({ up: true, version: prefix.slice(1), lastError: undefined });
    expect(rig.sink.status().lastSuccess).toMatch(/^2026-01-01T/);
  });

  test('without a cookie shows the token that it was given', async () => {
    await using rig = await startSmcRig({ isCookieless: true });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
    expect(rig.smc.callsOf('add')[0]?.headers).toMatchObject({ authorization: 'Bearer SESSION1' });
    expect(rig.smc.callsOf('add')[0]?.headers.cookie).toBeUndefined();
    expect(rig.smc.sessionCount).toBe(0);
  });

  test('names the domain at login where one is configured, and only then', async () => {
    await using rig = await startSmcRig({ domain: 'Branch', config: { domain: 'Branch' } });
    await using plain = await startSmcRig();
    for (const each of [rig, plain]) {
      await each.put('198.51.100.0');
      await each.session(LINGER_MS);
      expect(each.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
    }
    expect(JSON.parse(plain.smc.callsOf('login')[0]?.body ?? '')).toEqual({ authenticationkey: plain.smc.apiKey });
  });

  test('leaves out excluded engines, and says which exclusion names nobody', async () => {
    await using rig = await startSmcRig({ engines: ENGINES, config: { excludeEngines: ['NGFW 2', 'ngfw 3'] } });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.callsOf('add').map(({ engine }) => engine)).toEqual(['NGFW 1', 'NGFW 3']);
    expect(rig.smc.callsOf('engine', 'NGFW 2')).toEqual([]);
    expect(rig.eventsOf('smc-exclusion-unknown')).toEqual([{ engines: ['ngfw 3'] }]);
  });

  test('skips an engine without a list of blocked addresses, and says so once', async () => {
    await using rig = await startSmcRig({ engines: [{ name: 'NGFW 1' }, { name: 'Analyzer', isListless: true }] });
    for (const address of ['198.51.100.0', '198.51.100.1']) {
      await rig.put(address);
      await rig.session(LINGER_MS);
    }
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0', '198.51.100.1']);
    expect(rig.eventsOf('smc-engine-skipped')).toEqual([{ engine: 'Analyzer' }]);
    expect(rig.queue.nextDueMs(HOUR_MS / 2)).toBeUndefined();
  });

  test('is not opened while there is nothing to bring', async () => {
    await using rig = await startSmcRig();
    await rig.quiet(HOUR_MS);
    expect(rig.clock.nextInMs).toBeUndefined();
  });
});

describe('what is brought', () => {
  test('addresses that come together go together', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    await rig.put('198.51.100.0');
    await rig.quiet(LINGER_MS - 1);
    await rig.put('198.51.100.1', '2001:db8::1');
    await rig.session(1);
    expect(rig.smc.callsOf('login')).toHaveLength(1);
    for (const { name } of ENGINES) {
      expect(rig.smc.callsOf('add', name)).toHaveLength(1);
      expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0', '198.51.100.1', '2001:db8::1']);
    }
  });

  test('no request has more than 250 entries', async () => {
    await using rig = await startSmcRig();
    const addresses = Array.from({ length: 301 }, (_, at) => `198.51.${at >> 8}.${at & 255}`);
    await rig.put(...addresses);
    await rig.session(LINGER_MS);
    const sizes = rig.smc.callsOf('add').map(({ body }) => JSON.parse(body).entries.length);
    expect(sizes).toEqual([250, 250, 102]);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(addresses);
    expect(rig.smc.callsOf('login')).toHaveLength(1);
  });

  test('what comes during a session is brought by it', async () => {
    await using rig = await startSmcRig();
    rig.smc.fault = ({ operation }) => {
      // The queue of a test takes it before the answer is there.
      if (operation === 'add' && rig.smc.callsOf('add').length === 1) rig.put('198.51.100.1').catch(() => {});
      return undefined;
    };
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0', '198.51.100.1']);
    expect(rig.smc.callsOf('login')).toHaveLength(1);
    expect(rig.smc.callsOf('engine')).toHaveLength(1);
  });

  test('an address that is reported over and over goes once now and once at half its time', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    for (let minute = 1; minute < 30; minute += 1) {
      await rig.quiet(60_000);
      await rig.put('198.51.100.0');
    }
    expect(rig.smc.callsOf('add')).toHaveLength(3);
    await rig.session(60_000);
    expect(rig.smc.callsOf('add')).toHaveLength(6);
    const durations = rig.smc.entriesOf('NGFW 3').map(({ duration }) => duration);
    // Reported last after 29 minutes, brought after 30.
    expect(durations).toEqual([3600, 3600, 3540, 3540]);
  });

  test('what was removed while it waited is not brought', async () => {
    await using rig = await startSmcRig();
    await rig.put('198.51.100.0', '198.51.100.1');
    await rig.queue.remove('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.1']);
  });

  test('an engine that is gone asks for nothing more', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    rig.smc.engines = ENGINES.slice(0, 2);
    await rig.put('198.51.100.0');
    rig.clock.advance(1000);
    await rig.put('198.51.100.0');
    await rig.session(HOUR_MS / 2);
    expect(rig.smc.callsOf('login')).toHaveLength(2);
    expect([...(rig.queue.find('198.51.100.0')?.engines.keys() ?? [])]).toEqual(['NGFW 1', 'NGFW 2']);
    expect(rig.queue.nextDueMs(HOUR_MS / 2)).toBeUndefined();
  });

  test('an engine that is new gets what the others have when there is something to bring', async () => {
    await using rig = await startSmcRig();
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    rig.smc.engines = [...rig.smc.engines, { name: 'NGFW 9' }];
    await rig.put('198.51.100.1');
    await rig.session(LINGER_MS);
    expect(rig.smc.addressesOf('NGFW 9')).toEqual(['198.51.100.1']);
  });

  test('is counted and told', async () => {
    await using rig = await startSmcRig({ engines: [{ name: 'NGFW 1' }] });
    expect(rig.counts.get('unknown expired')).toBe(0);
    await rig.put('198.51.100.0', '198.51.100.1');
    await rig.session(LINGER_MS);
    expect(Object.fromEntries(rig.counts)).toEqual({
      'unknown added': 0,
      'unknown rejected': 0,
      'unknown expired': 0,
      'NGFW 1 added': 2,
      'NGFW 1 rejected': 0,
      'NGFW 1 expired': 0,
      'versions 200': 1,
      'login 200': 1,
      'entry-points 200': 1,
      'engines 200': 1,
      'engine 200': 1,
      'add 201': 1,
      'logout 204': 1,
      up: 1,
    });
    expect(rig.eventsOf('smc-relayed')).toEqual([
      { engine: 'NGFW 1', count: 2, addresses: ['198.51.100.0', '198.51.100.1'] },
    ]);
  });
});
