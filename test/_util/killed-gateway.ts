import { expect, vi } from 'vitest';
import { getApi } from './e2e-ctl.ts';
import { BELIEVES_CLIENTS, feedsIn, GUIDE_ADDRESS, GUIDE_EVENT, isTurnedAway, postFinding } from './e2e-feed.ts';
import { type SpawnedGateway, spawnGateway } from './e2e-gateway.ts';
import { startTunnelBackend } from './e2e-tunnel.ts';
import { type FakeSmc, type FakeSmcOptions, type SmcFault, type SmcOperationName, startFakeSmc } from './fake-smc.ts';
import { type KeptEntry, readFeedState } from './feed-state.ts';
import { createFolder } from './observe-log.ts';
import { createShiftedClock } from './shifted-clock.ts';

/** Those that are not excluded: `NGFW 2` is. */
export const TOLD_ENGINES: readonly string[] = ['NGFW 1', 'NGFW 3'];
/** For how long addresses are blocked. */
export const DURATION_MS: number = 30 * 60_000;
export const WAIT = { timeout: 30_000, interval: 20 } as const;
/** Long enough for a test to end in between. */
export const LONG_LINGER = '1m';

/** One state folder and one SMC, through the lives of several gateways. */
export interface KillingRig extends AsyncDisposable {
  readonly smc: FakeSmc;
  /** Starts a gateway that relays, and is ready. `more` goes into its `feeds`. */
  start(more?: object, linger?: string): Promise<SpawnedGateway>;
  /** What has been committed to the disk. */
  readonly kept: readonly KeptEntry[];
  /** Lets time pass for all gateways, but not for what they wait for: the next life of one begins later. */
  pass(ms: number): void;
  /** Waits until such an entry has been committed. */
  committed(fits: (entry: KeptEntry) => boolean): Promise<void>;
  /** Sends the finding, and resolves when the SMC is asked for that, which has the fault. */
  stopAt(gateway: SpawnedGateway, fault: SmcFault, operation: SmcOperationName, engine?: string): Promise<void>;
  /** Waits until every engine has been told, here and there, and what is kept of it says so. */
  expectRelayed(
    gateway: SpawnedGateway,
    findings: number | readonly number[],
    asksAgain: readonly string[],
  ): Promise<void>;
  /** Lets the time of the block pass: the address is free then, and nobody is told. */
  expectOver(gateway: SpawnedGateway): Promise<void>;
}

export async function startKillingRig({
  versions = ['6.7'],
}: Pick<FakeSmcOptions, 'versions'> = {}): Promise<KillingRig> {
  const folder = await createFolder();
  const clock = createShiftedClock(folder.path);
  const backend = await startTunnelBackend();
  const smc = await startFakeSmc({ versions, engines: ['NGFW 1', 'NGFW 2', 'NGFW 3'].map((name) => ({ name })) });
  return {
    smc,
    get kept() {
      return readFeedState(folder.path);
    },
    async start(more = {}, linger = '20ms') {
      const relay = {
        ...{ endpoint: smc.url, 'api-key': smc.apiKey, 'exclude-engines': ['NGFW 2'] },
        ...{ linger, timeout: '10m', retry: { first: '50ms' } },
      };
      const tunnel = {
        name: 'tunnel',
        listen: '127.0.0.1:0',
        protocol: 'tunnel',
        tls: 'off',
        health: { type: 'none' },
      };
      const gateway = spawnGateway(
        {
          workers: 1,
          feeds: feedsIn(folder.path, { duration: `${DURATION_MS / 1000}s`, smc: relay, ...more }),
          services: [{ ...tunnel, ...BELIEVES_CLIENTS, backends: [{ address: backend.address }] }],
        },
        [],
        clock.env,
      );
      try {
        await gateway.waitForEvent('listening');
      } catch (error) {
        await gateway[Symbol.asyncDispose]();
        throw error;
      }
      return gateway;
    },
    pass: clock.pass,
    async committed(fits) {
      await vi.waitFor(() => expect(readFeedState(folder.path).some(fits)).toBe(true), WAIT);
    },
    async stopAt(gateway, fault, operation, engine) {
      const asked = Promise.withResolvers<void>();
      smc.fault = (call) => {
        if (call.operation !== operation || (engine !== undefined && call.engine !== engine)) return undefined;
        asked.resolve();
        return fault;
      };
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      await asked.promise;
    },
    async expectRelayed(gateway, findings, asksAgain) {
      await vi.waitFor(async () => {
        const engines = Object.fromEntries(TOLD_ENGINES.map((name) => [name, 'added']));
        expect(await blocked(gateway)).toMatchObject({
          entries: [{ ip: GUIDE_ADDRESS, findings: expect.toBeOneOf([findings].flat()), relay: 'done', engines }],
          queue: { depth: 0, oldestSeconds: 0 },
        });
      }, WAIT);
      for (const name of TOLD_ENGINES) {
        const count = asksAgain.includes(name) ? 2 : 1;
        expect(smc.addressesOf(name), name).toEqual(Array.from({ length: count }, () => GUIDE_ADDRESS));
      }
      expect(smc.addressesOf('NGFW 2')).toEqual([]);
      expect(smc.complaints).toEqual([]);
      for (const { duration } of TOLD_ENGINES.flatMap((name) => smc.entriesOf(name))) {
        expect(duration).toBeGreaterThan(0);
        expect(duration).toBeLessThanOrEqual(DURATION_MS / 1000);
      }
      expectHeld(readFeedState(folder.path));
    },
    async expectOver(gateway) {
      // What was found a moment ago is blocked within a second, and may be relayed before.
      await vi.waitFor(async () => expect(await isFirstTurnedAway(gateway)).toBe(true), WAIT);
      const callCount = smc.calls.length;
      clock.pass(DURATION_MS);
      await vi.waitFor(async () => expect(await blocked(gateway)).toMatchObject({ entries: [] }), WAIT);
      await vi.waitFor(async () => expect(await isFirstTurnedAway(gateway)).toBe(false), WAIT);
      expect(smc.calls.length).toBe(callCount);
    },
    async [Symbol.asyncDispose]() {
      await smc[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Connects as soon as anybody can, and says whether that is the end of it. */
export async function isFirstTurnedAway(gateway: SpawnedGateway): Promise<boolean> {
  const { address } = await gateway.waitForEvent('listening');
  return isTurnedAway(GUIDE_ADDRESS, Number(/\d+$/.exec(address)?.[0]), 'hello');
}

/** What was sent before has been read when this has been answered, and what it gave rise to is on its way. */
export async function roundTrips(gateway: SpawnedGateway): Promise<void> {
  const { address } = await gateway.waitForEvent('feed-listening');
  for (let count = 0; count < 2; count += 1) expect((await fetch(`http://${address}/`)).status).toBe(200);
}

/** A request that the gateway may not live to answer. */
export interface Sent {
  /** The status; undefined: there was no answer. */
  readonly status: Promise<number | undefined>;
}

export function sendFinding(gateway: SpawnedGateway): Sent {
  return {
    status: postFinding(gateway, GUIDE_EVENT).then(
      ([status]) => status,
      () => undefined,
    ),
  };
}

async function blocked(gateway: SpawnedGateway): Promise<unknown> {
  const { address } = await gateway.waitForEvent('admin-listening');
  return await getApi({ adminUrl: `http://${address}` }, 'blocked');
}

/** What engines have been told is what is kept of it: until the end of the block, rounded up to a second. */
function expectHeld([entry]: readonly KeptEntry[]): void {
  expect(entry?.engines.map(({ engine }) => engine).toSorted()).toEqual(TOLD_ENGINES);
  for (const { heldUntilMs } of entry?.engines ?? []) {
    const lateMs = heldUntilMs - (entry?.untilMs ?? 0);
    // The end of a block that was reported once more has moved on since.
    if (entry?.findings === 1) expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(1000);
  }
}
