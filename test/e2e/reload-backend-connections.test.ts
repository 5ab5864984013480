import { expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { reloadWith } from '../_util/e2e-reload.ts';
import { type ScriptBackend, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { connectScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { reqmod } from '../_util/icap-script-message.ts';

const REQUEST = reqmod({ lines: ['Allow: 204'] });

function configOf(...services: readonly (readonly [name: string, backend: ScriptBackend])[]): object {
  return {
    workers: 1,
    services: services.map(([name, { address }]) =>
      icapService(name, [{ name: 'first', address }], { health: { type: 'none' } }),
    ),
  };
}

async function connectTo(gateway: RunningGateway, service: string): Promise<ScriptClient> {
  return await connectScriptClient(gateway.port(service));
}

test('what a service keeps to its backends ends with the service, when a reload leaves it out', async () => {
  await using kept = await startScriptBackend();
  await using left = await startScriptBackend();
  await using gateway = await startGateway(configOf(['kept', kept], ['left', left]));
  await using client = await connectTo(gateway, 'left');
  expect((await client.ask(REQUEST)).status).toBe(204);
  expect(left.connections[0]?.isOpen).toBe(true);
  expect((await reloadWith(gateway, configOf(['kept', kept]))).isTaken).toBe(true);
  expect(await left.connections[0]?.gone).toBe('fin');
});

test('the connection of a transaction that a reload came over is not kept for anybody', async () => {
  await using backend = await startScriptBackend();
  const answer = Promise.withResolvers<void>();
  backend.script = async (exchange) => {
    await answer.promise;
    await unmodified(exchange);
  };
  const config = configOf(['icap', backend]);
  await using gateway = await startGateway(config);
  await using client = await connectTo(gateway, 'icap');
  const answered = client.ask(REQUEST);
  await backend.exchange(0);
  expect((await reloadWith(gateway, config)).isTaken).toBe(true);
  answer.resolve();
  expect((await answered).status).toBe(204);
  expect(await backend.connections[0]?.gone).toBe('fin');
  expect((await client.ask(REQUEST)).status).toBe(204);
  expect(backend.connections).toHaveLength(2);
});
