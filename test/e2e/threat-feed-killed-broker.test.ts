import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type AmqpLine, startAmqpLine } from '../_util/amqp-line.ts';
import { type BrokerWork, createBrokerWork } from '../_util/broker-work.ts';
import { GUIDE_ADDRESS, GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import type { SpawnedGateway } from '../_util/e2e-gateway.ts';
import {
  DURATION_MS,
  isFirstTurnedAway,
  type KillingRig,
  LONG_LINGER,
  type Sent,
  sendFinding,
  startKillingRig,
  TOLD_ENGINES,
  WAIT,
} from '../_util/killed-gateway.ts';
import { startRabbitGateway } from '../_util/rabbit-gateway.ts';
import { hasRabbit, type RabbitServer, startRabbitServer } from '../_util/rabbitmq-server.ts';

interface Life {
  readonly rig: KillingRig;
  readonly gateway: SpawnedGateway;
  /** The way of this gateway, which is closed with it. */
  readonly line: AmqpLine;
  readonly work: BrokerWork;
}

interface Step {
  readonly name: string;
  /** Sends a finding, and resolves when it has come to where the gateway is to be killed. */
  readonly reach: (life: Life) => Promise<Sent | undefined>;
  readonly isAnswered: boolean;
  /** Engines whose answer nobody has kept: they get it once more. */
  readonly asksAgain?: readonly string[];
  readonly linger?: string;
}

const NEVER = new Promise<void>(() => {});

const STEPS: readonly Step[] = [
  {
    ...{ name: 'the finding is on its way to the broker', isAnswered: false },
    async reach({ gateway, line }) {
      line.holdRequests();
      const sent = sendFinding(gateway);
      await vi.waitFor(() => expect(line.hasHeld(GUIDE_ADDRESS)).toBe(true), WAIT);
      return sent;
    },
  },
  {
    ...{ name: 'the broker has the finding and has not confirmed it', isAnswered: false },
    async reach({ gateway, line, work }) {
      line.holdAnswers();
      const sent = sendFinding(gateway);
      await work.held();
      return sent;
    },
  },
  {
    ...{ name: 'the broker has confirmed the finding and the relay has not begun', isAnswered: true },
    linger: LONG_LINGER,
    async reach({ gateway, work }) {
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      await work.held();
      return undefined;
    },
  },
  {
    ...{ name: 'the last engine is asked', isAnswered: true },
    async reach({ rig, gateway, work }) {
      await rig.stopAt(gateway, { act: 'hang' }, 'add', 'NGFW 3');
      await work.held();
      return undefined;
    },
  },
  {
    ...{ name: 'the last engine has it and has not answered', isAnswered: true, asksAgain: ['NGFW 3'] },
    async reach({ rig, gateway }) {
      await rig.stopAt(gateway, { until: NEVER }, 'add', 'NGFW 3');
      return undefined;
    },
  },
  {
    ...{ name: 'all engines have answered and the broker has not confirmed that', isAnswered: true },
    async reach({ rig, gateway, line }) {
      const release = Promise.withResolvers<void>();
      await rig.stopAt(gateway, { until: release.promise }, 'add', 'NGFW 3');
      line.holdAnswers();
      release.resolve();
      await rig.committed(({ engines }) => engines.length === TOLD_ENGINES.length);
      return undefined;
    },
  },
  {
    ...{ name: 'the work is ended and is not acknowledged', isAnswered: true },
    async reach({ rig, gateway, line, work }) {
      line.holdRequestsAfter('"kind":"concluded"');
      // A session ends when the work has been.
      await rig.stopAt(gateway, { act: 'hang' }, 'logout');
      expect(rig.kept).toMatchObject([{ isPending: false }]);
      await work.held();
      return undefined;
    },
  },
  {
    ...{ name: 'the work is acknowledged', isAnswered: true },
    async reach({ rig, gateway, work }) {
      await rig.stopAt(gateway, { act: 'hang' }, 'logout');
      await vi.waitFor(async () => expect(await work.state()).toMatchObject({ ready: 0, unacknowledged: 0 }), WAIT);
      return undefined;
    },
  },
];

describe.runIf(hasRabbit)('a gateway with a RabbitMQ that is killed when', () => {
  let broker: RabbitServer;
  beforeAll(async () => {
    broker = await startRabbitServer();
  });
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
  });

  async function killAt(rig: KillingRig, work: BrokerWork, { reach, linger }: Step): Promise<void> {
    await using line = await startAmqpLine(broker.port);
    await using gateway = await rig.start(work.feedsBy(line.url), linger);
    await work.joined(gateway);
    const sent = await reach({ rig, gateway, line, work });
    gateway.signal('SIGKILL');
    await gateway.exited;
    if (sent !== undefined) expect(await sent.status).not.toBe(200);
  }

  test.each(STEPS.map((step, index) => ({ ...step, index })))('$name', { timeout: 120_000 }, async (step) => {
    const { index, isAnswered, asksAgain = [] } = step;
    const name = `step-${index}`;
    const work = createBrokerWork(broker, name);
    await using rig = await startKillingRig();
    await using other = await startRabbitGateway({ url: broker.url, name, leadMs: DURATION_MS / 2, isRelay: false });
    await killAt(rig, work, step);
    rig.smc.fault = () => undefined;

    await using gateway = await rig.start(work.feedsBy(broker.url));
    // What was not answered is on the disk here all the same, and is taken once more.
    expect(await isFirstTurnedAway(gateway)).toBe(true);
    await work.joined(gateway);
    if (!isAnswered) expect(await postFinding(gateway, GUIDE_EVENT)).toEqual([200, 'Success!']);
    await rig.expectRelayed(gateway, isAnswered ? 1 : 2, asksAgain);
    // A block that was reported once more lasts longer than engines were told: they will be told again.
    await work.finished(other, isAnswered ? 'nothing' : 'later');
    await rig.expectOver(gateway);
  });
});
