import { afterAll, beforeAll, describe } from 'vitest';
import { startRabbitGateway } from '../_util/rabbit-gateway.ts';
import { hasRabbit, type RabbitServer, startRabbitServer } from '../_util/rabbitmq-server.ts';
import { describeQueue, LEAD_MS } from '../feeds/queue.contract.ts';

describe.runIf(hasRabbit)('with a RabbitMQ', () => {
  let server: RabbitServer;
  beforeAll(async () => {
    server = await startRabbitServer();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  describeQueue('the queue that gateways share', ({ maxEntries }) =>
    startRabbitGateway({ url: server.url, leadMs: LEAD_MS, maxEntries }),
  );
});
