import { expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { ask } from '../_util/e2e-tunnel.ts';

const HTTP = 'GET http://origin.example/ HTTP/1.1\r\nHost: origin.example\r\n\r\n';
const REQUEST = `REQMOD icap://gw/reqmod ICAP/1.0\r\nHost: gw\r\nEncapsulated: req-hdr=0, null-body=${HTTP.length}\r\n\r\n${HTTP}`;

test.each([
  { policy: 'reset', answer: '' },
  { policy: 'error', answer: 'ICAP/1.0 503 ' },
])('while no address of a backend is known, $policy is what each client gets', async ({ policy, answer }) => {
  const { server } = certificates();
  const service = icapService('icap', [{ address: 'dlp.invalid:1344' }], {
    tls: { cert: server.cert, key: server.key },
    'when-down': policy,
  });
  await using gateway = await startGateway({ workers: 1, services: [service] });
  for (let turn = 0; turn < 5; turn += 1) {
    expect((await ask(gateway.port('icap'), REQUEST)).slice(0, answer.length || undefined)).toBe(answer);
  }
  // Told by the worker, which is still there.
  await gateway.waitForEvent('connection-closed');
  expect(gateway.events.some(({ event }) => event === 'worker-died')).toBe(false);
});
