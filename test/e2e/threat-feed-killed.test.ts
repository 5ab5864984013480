import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { GUIDE_ADDRESS, GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import type { SpawnedGateway } from '../_util/e2e-gateway.ts';
import type { SmcOperationName } from '../_util/fake-smc.ts';
import { canHoldThreads, type HeldThread, holdThread, type ThreadName } from '../_util/held-thread.ts';
import {
  DURATION_MS,
  isFirstTurnedAway,
  type KillingRig,
  LONG_LINGER,
  roundTrips,
  type Sent,
  sendFinding,
  startKillingRig,
  TOLD_ENGINES,
  WAIT,
} from '../_util/killed-gateway.ts';

interface Life {
  readonly rig: KillingRig;
  readonly gateway: SpawnedGateway;
  /** A thread of the gateway, which is let go of when it is dead. */
  hold(name: ThreadName): Promise<HeldThread>;
}

interface Step {
  readonly name: string;
  /** Sends a finding, and resolves when it has come to where the gateway is to be killed. */
  readonly reach: (life: Life) => Promise<Sent | undefined>;
  /** What is known of the finding then. */
  readonly isKept: boolean;
  readonly isAnswered: boolean;
  /** Engines whose answer nobody has kept: they get it once more. */
  readonly asksAgain?: readonly string[];
  /** For how long the relay waits for more before it begins. */
  readonly linger?: string;
}

const DISK = 'icapgw feed dis';
const MAIN = 'node-MainThread';
const NEVER = new Promise<void>(() => {});

const STEPS: readonly Step[] = [
  {
    ...{ name: 'a half of the request is there', isKept: false, isAnswered: false },
    async reach({ gateway }) {
      const { address } = await gateway.waitForEvent('feed-listening');
      const socket = connect({ host: '127.0.0.1', port: Number(/\d+$/.exec(address)?.[0]) });
      socket.on('error', () => socket.destroy());
      const head = `POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${GUIDE_EVENT.length}`;
      socket.write(`${head}\r\n\r\n${GUIDE_EVENT.slice(0, GUIDE_EVENT.length / 2)}`);
      await roundTrips(gateway);
      return undefined;
    },
  },
  {
    ...{ name: 'the finding is answered and the relay has not begun', isKept: true, isAnswered: true },
    linger: LONG_LINGER,
    async reach({ gateway }) {
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      return undefined;
    },
  },
  asked('versions'),
  asked('login'),
  done('login'),
  asked('entry-points'),
  asked('engines'),
  asked('engine', 'NGFW 1'),
  asked('add', 'NGFW 1'),
  done('add', 'NGFW 1'),
  asked('engine', 'NGFW 3'),
  asked('add', 'NGFW 3'),
  done('add', 'NGFW 3'),
  asked('logout'),
  done('logout'),
  {
    ...{ name: 'all is done', isKept: true, isAnswered: true },
    async reach({ rig, gateway }) {
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      await rig.committed(({ isPending, engines }) => !isPending && engines.length === TOLD_ENGINES.length);
      await vi.waitFor(() => expect(rig.smc.sessionCount).toBe(0), WAIT);
      return undefined;
    },
  },
];

/** Between what threads of the gateway do, which nobody else has a part in. */
const HELD_STEPS: readonly Step[] = [
  {
    ...{ name: 'the request is read and is not on the disk', isKept: false, isAnswered: false },
    async reach({ gateway, hold }) {
      await hold(DISK);
      const sent = sendFinding(gateway);
      await roundTrips(gateway);
      return sent;
    },
  },
  {
    ...{ name: 'the finding is on the disk and is not answered', isKept: true, isAnswered: false },
    async reach({ rig, gateway, hold }) {
      const disk = await hold(DISK);
      const sent = sendFinding(gateway);
      await roundTrips(gateway);
      await hold(MAIN);
      await disk[Symbol.asyncDispose]();
      await rig.committed(({ address }) => address === GUIDE_ADDRESS);
      return sent;
    },
  },
  {
    ...{ name: 'the last engine has answered and that is not on the disk', isKept: true, isAnswered: true },
    asksAgain: ['NGFW 3'],
    async reach(life) {
      await answerLast(life);
      return undefined;
    },
  },
  {
    ...{ name: 'all engines are on the disk and the work is not ended', isKept: true, isAnswered: true },
    async reach(life) {
      const { rig, hold } = life;
      const disk = await answerLast(life);
      await hold(MAIN);
      await disk[Symbol.asyncDispose]();
      await rig.committed(({ engines }) => engines.length === TOLD_ENGINES.length);
      expect(rig.kept).toMatchObject([{ isPending: true }]);
      return undefined;
    },
  },
];

function asked(operation: SmcOperationName, engine?: string): Step {
  return {
    name: `the SMC is asked for ${operation}${engine === undefined ? '' : ` at ${engine}`}`,
    ...{ isKept: true, isAnswered: true },
    async reach({ rig, gateway }) {
      await rig.stopAt(gateway, { act: 'hang' }, operation, engine);
      return undefined;
    },
  };
}

/** For what changes something there. */
function done(operation: SmcOperationName, engine?: string): Step {
  return {
    name: `the SMC has done ${operation}${engine === undefined ? '' : ` at ${engine}`} and has not answered`,
    ...{ isKept: true, isAnswered: true },
    ...(operation === 'add' && engine !== undefined && { asksAgain: [engine] }),
    async reach({ rig, gateway }) {
      await rig.stopAt(gateway, { until: NEVER }, operation, engine);
      return undefined;
    },
  };
}

/** To where the last engine has answered and nothing of that is on the disk, which is held. */
async function answerLast({ rig, gateway, hold }: Life): Promise<HeldThread> {
  const release = Promise.withResolvers<void>();
  await rig.stopAt(gateway, { until: release.promise }, 'add', 'NGFW 3');
  const disk = await hold(DISK);
  release.resolve();
  await gateway.waitForEvent('smc-relayed', ({ engine }) => engine === 'NGFW 3');
  await roundTrips(gateway);
  return disk;
}

/** Runs a gateway until a finding has come to where it is to be killed, and kills it there. */
async function killAt(rig: KillingRig, { reach, linger }: Step): Promise<void> {
  await using gateway = await rig.start({}, linger);
  await using held = new AsyncDisposableStack();
  await gateway.waitForEvent('ready');
  const sent = await reach({ rig, gateway, hold: async (name) => held.use(await holdThread(gateway.pid, name)) });
  gateway.signal('SIGKILL');
  // A thread that is traced is not gone before its tracer lets go of it.
  await held.disposeAsync();
  await gateway.exited;
  if (sent !== undefined) expect(await sent.status).not.toBe(200);
}

async function survive(step: Step): Promise<void> {
  const { isKept, isAnswered, asksAgain = [] } = step;
  await using rig = await startKillingRig();
  await killAt(rig, step);
  rig.smc.fault = () => undefined;
  expect(rig.kept.map(({ address }) => address)).toEqual(isKept ? [GUIDE_ADDRESS] : []);

  await using gateway = await rig.start();
  expect(await isFirstTurnedAway(gateway)).toBe(isKept);
  // Who had no answer keeps the finding and comes again.
  if (!isAnswered) expect(await postFinding(gateway, GUIDE_EVENT)).toEqual([200, 'Success!']);
  await rig.expectRelayed(gateway, isKept && !isAnswered ? 2 : 1, asksAgain);
  await rig.expectOver(gateway);
}

describe('a gateway that is killed when', () => {
  test.each(STEPS)('$name', survive);

  test('engines are told again', async () => {
    await using rig = await startKillingRig();
    {
      await using gateway = await rig.start();
      await gateway.waitForEvent('ready');
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      await rig.expectRelayed(gateway, 1, []);
      // Reported once more, at a third of its time.
      rig.pass(DURATION_MS / 3);
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      gateway.signal('SIGKILL');
      await gateway.exited;
    }
    const [first] = rig.kept;
    // What engines hold lasts for less than a half of a duration.
    rig.pass(DURATION_MS / 4);
    {
      const asked = Promise.withResolvers<void>();
      rig.smc.fault = ({ operation, engine }) => {
        if (operation !== 'add' || engine !== 'NGFW 3') return undefined;
        asked.resolve();
        return { act: 'hang' };
      };
      await using gateway = await rig.start();
      await asked.promise;
      gateway.signal('SIGKILL');
      await gateway.exited;
    }
    rig.smc.fault = () => undefined;
    await using gateway = await rig.start();
    expect(await isFirstTurnedAway(gateway)).toBe(true);
    await rig.committed(({ engines, untilMs }) => engines.every(({ heldUntilMs }) => heldUntilMs >= untilMs));
    await rig.expectRelayed(gateway, 2, TOLD_ENGINES);
    expect(rig.kept[0]?.untilMs).toBe(first?.untilMs);
    await rig.expectOver(gateway);
  });

  describe.runIf(canHoldThreads)('a thread of it has not come further:', () => {
    test.each(HELD_STEPS)('$name', survive);
  });
});
