import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { vector } from '../_util/icap-vectors.ts';
import { openWire } from '../_util/icap-wire.ts';

const SEEDS = ['02-reqmod-get-req', '03-reqmod-post-req', '05-preview100-a-client', '07-ieof-client'].map(vector);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  fc
    .tuple(fc.constantFrom(...SEEDS), fc.nat(300), fc.uint8Array({ maxLength: 4 }), fc.nat(4))
    .map(([seed, at, inserted, removed]) =>
      Buffer.concat([seed.subarray(0, at), Buffer.from(inserted), seed.subarray(at + removed)]),
    ),
);

test('whatever a client sends, it gets ICAP or nothing, and the next client is served', async () => {
  await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      await using wire = await openWire(server.port);
      wire.send(sent);
      wire.socket.end();
      expect(await wire.ended()).toMatch(/^(?:ICAP\/1\.0 \d{3} |$)/);
    }),
    { seed: 3507, numRuns: 150 },
  );
  await using wire = await openWire(server.port);
  wire.send(vector('01-options-req'));
  expect(await wire.until('\r\n\r\n')).toMatch(/^ICAP\/1\.0 200 OK/);
});
