import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type AmqpLine, startAmqpLine } from '../_util/amqp-line.ts';
import { type BrokerWork, createBrokerWork } from '../_util/broker-work.ts';
import { GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import type { SpawnedGateway } from '../_util/e2e-gateway.ts';
import {
  DURATION_MS,
  type KillingRig,
  type Sent,
  sendFinding,
  startKillingRig,
  WAIT,
} from '../_util/killed-gateway.ts';
import { type RabbitGateway, startRabbitGateway } from '../_util/rabbit-gateway.ts';
import { hasRabbit, type RabbitServer, startRabbitServer } from '../_util/rabbitmq-server.ts';

interface Life {
  readonly rig: KillingRig;
  readonly gateway: SpawnedGateway;
  /** The way of the gateway to the broker. */
  readonly line: AmqpLine;
  readonly work: BrokerWork;
  /** Resolves when the broker runs again: until then the SMC may keep a gateway waiting. */
  readonly isBack: Promise<void>;
}

interface Step {
  readonly name: string;
  /** Sends a finding, and resolves when it has come to where the broker is to be killed; with what is not answered by then. */
  readonly reach: (life: Life) => Promise<Sent | undefined>;
  /** How often the finding is counted in the end: what the broker kept of one that it did not confirm is one. */
  readonly findings: number;
}

const STEPS: readonly Step[] = [
  {
    ...{ name: 'it has the finding and has not confirmed it', findings: 2 },
    async reach({ gateway, line, work }) {
      line.holdAnswers();
      const sent = sendFinding(gateway);
      await work.held();
      return sent;
    },
  },
  {
    ...{ name: 'it has just confirmed the finding', findings: 1 },
    async reach({ gateway }) {
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      return undefined;
    },
  },
  {
    ...{ name: 'it has confirmed the finding and no engine is told', findings: 1 },
    async reach({ rig, gateway, isBack }) {
      await rig.stopAt(gateway, { until: isBack }, 'versions');
      return undefined;
    },
  },
];

describe.runIf(hasRabbit)('a RabbitMQ that is killed when', () => {
  let broker: RabbitServer;
  beforeAll(async () => {
    broker = await startRabbitServer();
  });
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
  });

  const startOther = (name: string): Promise<RabbitGateway> =>
    startRabbitGateway({ url: broker.url, name, leadMs: DURATION_MS / 2, isRelay: false });

  /** Posts a finding until it is taken. */
  async function posted(gateway: SpawnedGateway, finding: string): Promise<void> {
    await vi.waitFor(async () => expect(await postFinding(gateway, finding)).toEqual([200, 'Success!']), WAIT);
  }

  test.each(STEPS.map((step, index) => ({ ...step, index })))('$name', { timeout: 180_000 }, async (step) => {
    const { index, reach, findings } = step;
    const name = `broker-step-${index}`;
    const work = createBrokerWork(broker, name);
    await using rig = await startKillingRig();
    await using other = await startOther(name);
    await using line = await startAmqpLine(broker.port);
    await using gateway = await rig.start(work.feedsBy(line.url));
    await work.joined(gateway);
    const back = Promise.withResolvers<void>();
    const sent = await reach({ rig, gateway, line, work, isBack: back.promise });
    await broker.kill();
    if (sent !== undefined) expect(await sent.status).toBe(503);
    await gateway.waitForEvent('feed-queue-failed');
    expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(503);
    line.holdNothing();
    await broker.start();
    back.resolve();

    await gateway.waitForEvent('feed-queue-recovered');
    await other.connected();
    if (sent !== undefined) await posted(gateway, GUIDE_EVENT);
    // A broker that is killed before it confirms may have kept its copy or not.
    await rig.expectRelayed(gateway, findings === 2 ? [1, 2] : findings, []);
    // A block that was reported once more lasts longer than engines were told: they will be told again.
    await work.finished(other, findings === 1 ? 'nothing' : 'later');
    await rig.expectOver(gateway);
  });
});
