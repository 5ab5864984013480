import { expect, test } from 'vitest';
import { LINGER_MS, startSmcRig } from '../../_util/smc-rig.ts';

test('what is under way at the end is finished, and the session is closed', async () => {
  await using rig = await startSmcRig({ engines: [{ name: 'NGFW 1' }, { name: 'NGFW 2' }] });
  const asked = Promise.withResolvers<void>();
  rig.smc.fault = ({ operation }) => {
    if (operation === 'add') asked.resolve();
    return undefined;
  };
  await rig.put('198.51.100.0');
  rig.clock.advance(LINGER_MS);
  await asked.promise;
  await rig.sink[Symbol.asyncDispose]();
  expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
  expect(rig.queue.find('198.51.100.0')?.engines.get('NGFW 1')?.outcome).toBe('added');
  expect(rig.smc.sessionCount).toBe(0);
});

test('a request that gets no answer does not keep the end waiting, and its addresses stay due', async () => {
  await using rig = await startSmcRig({ config: { timeoutMs: 60_000 } });
  const asked = Promise.withResolvers<void>();
  rig.smc.fault = ({ operation }) => {
    if (operation !== 'add') return undefined;
    asked.resolve();
    return { act: 'hang' };
  };
  await rig.put('198.51.100.0');
  rig.clock.advance(LINGER_MS);
  await asked.promise;
  await rig.sink[Symbol.asyncDispose]();
  expect(rig.smc.sessionCount).toBe(0);
  expect(rig.queue.due(rig.clock.nowMs(), 0).map(({ address }) => address)).toEqual(['198.51.100.0']);
});

test('nothing begins after the end', async () => {
  await using rig = await startSmcRig();
  await rig.put('198.51.100.0');
  await rig.sink[Symbol.asyncDispose]();
  await rig.quiet(LINGER_MS);
  await rig.put('198.51.100.1');
  expect(rig.clock.nextInMs).toBeUndefined();
  rig.sink.retryNow();
  await rig.quiet(60_000);
});
