import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectScriptClient } from '../_util/icap-script-client.ts';
import { answer, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const REQUEST = reqmod({ preview: 64, body: 'document' });
const PLACES = 30;

let rig: Rig<'full'>;

beforeAll(async () => {
  rig = await startRig({ full: { backends: [{ 'max-connections': PLACES }] } }, { workers: 2 });
});

afterAll(() => rig[Symbol.asyncDispose]());

test('one worker gives up idle places as fast as another needs them', async () => {
  const backend = rig.backend('full');
  // The kernel deals new connections out at random, so each wave is spread over the workers in another way.
  for (let wave = 0; wave < 10; wave += 1) {
    const { promise: isFull, resolve: full } = Promise.withResolvers<void>();
    let arrived = 0;
    backend.script = async (exchange) => {
      await exchange.arrived();
      arrived += 1;
      if (arrived === PLACES) full();
      await isFull;
      exchange.send(answer(204));
    };
    const clients = await Promise.all(
      Array.from({ length: PLACES }, () => connectScriptClient(rig.gateway.port('full'))),
    );
    // None is answered before all have a place; who gets none is refused when its time in the queue is over.
    const answers = await Promise.all(clients.map((client) => client.ask(REQUEST)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: PLACES }, () => 204));
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  }
});
