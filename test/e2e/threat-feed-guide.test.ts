import { expect, test, vi } from 'vitest';
import { GUIDE_ADDRESS, GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import { DURATION_MS, isFirstTurnedAway, startKillingRig, TOLD_ENGINES, WAIT } from '../_util/killed-gateway.ts';

test.each([{ versions: ['6.7', '6.10'] }, { versions: ['7.0', '7.1'] }])(
  'what the guide tests with is blocked here and at each engine of an SMC with $versions that is not excluded, for its time',
  async ({ versions }) => {
    await using rig = await startKillingRig({ versions });
    await using gateway = await rig.start();
    await gateway.waitForEvent('ready');
    expect(await isFirstTurnedAway(gateway)).toBe(false);
    const beforeMs = Date.now();
    expect(await postFinding(gateway, GUIDE_EVENT)).toEqual([200, 'Success!']);
    await vi.waitFor(async () => expect(await isFirstTurnedAway(gateway)).toBe(true), WAIT);
    await rig.expectRelayed(gateway, 1, []);
    const afterMs = Date.now();
    for (const engine of TOLD_ENGINES) {
      const states = [afterMs, beforeMs + DURATION_MS - 1, afterMs + DURATION_MS];
      expect(states.map((atMs) => rig.smc.isBlocking(engine, GUIDE_ADDRESS, atMs))).toEqual([true, true, false]);
    }
    expect(rig.smc.isBlocking('NGFW 2', GUIDE_ADDRESS, afterMs)).toBe(false);
    await rig.expectOver(gateway);
  },
);
