import { describe, expect, test } from 'vitest';
import type { SmcOperationName } from '../../_util/fake-smc.ts';
import { LINGER_MS, startSmcRig } from '../../_util/smc-rig.ts';

const AUTH_MS = 300_000;
const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2' }];

describe('an API key that is not accepted', () => {
  test.each([401, 403])('with %i is tried again after five minutes, not before, and told once', async (status) => {
    await using rig = await startSmcRig();
    rig.smc.fault = ({ operation }) => (operation === 'login' ? { status } : undefined);
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    await rig.quiet(AUTH_MS / 2);
    await rig.put('198.51.100.1');
    await rig.quiet(AUTH_MS / 2 - 1);
    await rig.session(1);
    await rig.quiet(AUTH_MS - 1);
    expect(rig.eventsOf('smc-login-refused')).toHaveLength(1);
    expect(rig.counts.get('up')).toBe(0);
    rig.smc.fault = () => undefined;
    await rig.session(1);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0', '198.51.100.1']);
    expect(rig.eventsOf('smc-recovered')).toHaveLength(1);
  });

  test('is asked for again at once when somebody says so', async () => {
    let key = 'wrong';
    await using rig = await startSmcRig({ keyOf: () => key, apiKey: 'right' });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.sink.status()).toMatchObject({ up: false, lastError: expect.stringContaining('401') });
    key = 'right';
    rig.sink.retryNow();
    await rig.session(0);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  });

  test('or cannot be read, is asked for again as if it were refused', async () => {
    let isThere = false;
    await using rig = await startSmcRig({
      keyOf: () => {
        if (!isThere) throw new Error('ENOENT: smc.key');
        return 'key-of-the-api-client';
      },
    });
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.calls).toEqual([]);
    expect(rig.eventsOf('smc-login-refused')[0]?.detail).toContain('ENOENT: smc.key');
    isThere = true;
    await rig.session(AUTH_MS);
    expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  });
});

describe('a session that the SMC ends', () => {
  test.each<SmcOperationName>(['entry-points', 'engines', 'engine', 'add'])(
    'before %s is begun anew, and what was asked is asked again',
    async (operation) => {
      await using rig = await startSmcRig({ engines: ENGINES });
      let isForgotten = false;
      rig.smc.fault = (call) => {
        if (isForgotten || call.operation !== operation) return undefined;
        isForgotten = true;
        return { act: 'forget' };
      };
      await rig.put('198.51.100.0');
      await rig.session(LINGER_MS);
      for (const { name } of ENGINES) expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0']);
      expect(rig.smc.callsOf('login')).toHaveLength(2);
      expect(rig.smc.callsOf(operation)).toHaveLength(operation === 'engine' || operation === 'add' ? 3 : 2);
      expect(rig.smc.callsOf('login').every(({ headers }) => headers.cookie === undefined)).toBe(true);
      expect(rig.smc.sessionCount).toBe(0);
      expect(rig.counts.get('up')).toBe(1);
    },
  );

  test('a second 401 counts as a key that is not accepted', async () => {
    await using rig = await startSmcRig({ engines: ENGINES });
    rig.smc.fault = ({ operation, engine }) =>
      operation === 'add' && engine === 'NGFW 2' ? { status: 401 } : undefined;
    await rig.put('198.51.100.0');
    await rig.session(LINGER_MS);
    expect(rig.smc.callsOf('add', 'NGFW 2')).toHaveLength(2);
    expect(rig.smc.callsOf('login')).toHaveLength(2);
    expect(rig.eventsOf('smc-login-refused')).toHaveLength(1);
    expect(rig.smc.sessionCount).toBe(1);
    await rig.quiet(AUTH_MS - 1);
    rig.smc.fault = () => undefined;
    await rig.session(1);
    // The one that had it already is not told again.
    for (const { name } of ENGINES) expect(rig.smc.addressesOf(name)).toEqual(['198.51.100.0']);
  });
});

test('neither the key nor the session stands in a log or a status, even if the SMC quotes them', async () => {
  await using rig = await startSmcRig({ keyOf: () => 'wrong-key-7731' });
  await rig.put('198.51.100.0');
  await rig.session(LINGER_MS);
  // This SMC says which key it was shown.
  expect(rig.smc.callsOf('login')[0]?.body).toContain('wrong-key-7731');
  expect(rig.sink.status().lastError).toContain('Login failed with ***');
  await using other = await startSmcRig();
  other.smc.fault = ({ operation, headers }) =>
    operation === 'add' ? { status: 400, body: JSON.stringify({ message: `seen ${headers.cookie}` }) } : undefined;
  await other.put('198.51.100.0');
  await other.session(LINGER_MS);
  expect(other.eventsOf('smc-rejected')[0]?.detail).toContain('seen ***');
  const told = JSON.stringify([rig.events, rig.sink.status(), other.events, other.sink.status()]);
  expect(told).not.toMatch(/7731|SESSION\d/);
});
