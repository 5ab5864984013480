import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { options, reqmod } from '../_util/icap-script-message.ts';
import { REFUSED_ADDRESS, type Rig, startRig } from '../_util/icap-script-rig.ts';
import { openWire } from '../_util/icap-wire.ts';

type Scenario = 'up' | 'down' | 'off';

let rig: Rig<Scenario>;

beforeAll(async () => {
  const health = { type: 'icap', interval: '100ms', timeout: '1s', rise: 1, fall: 1 };
  rig = await startRig<Scenario>({
    up: { config: { health } },
    down: { backends: [{ address: REFUSED_ADDRESS }], config: { health } },
    off: { config: { 'monitor-replies': false } },
  });
  await rig.gateway.waitForEvent('backend-state', ({ service, to }) => service === 'down' && to === 'down');
});

afterAll(() => rig[Symbol.asyncDispose]());

const MONITORS = [
  'GET /\r\n',
  'GET / HTTP/1.0\r\n\r\n',
  'HEAD / HTTP/1.0\r\n\r\n',
  'GET /x HTTP/1.1\r\nHost: h\r\n\r\n',
];
const F5_OPTIONS = 'OPTIONS icap://icap.example.net/ ICAP/1.0\r\nUser-Agent: f5-ADC\r\n\r\n';

describe('a load balancer that looks at the ICAP port', () => {
  test.each(MONITORS)('gets an HTTP 200 for %j while a backend is usable', async (request) => {
    await using wire = await openWire(rig.gateway.port('up'));
    for (const byte of request) wire.send(byte);
    const answer = await wire.ended();
    expect(answer).toMatch(/^HTTP\/1\.[01] 200 /);
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    expect(body === '').toBe(request.startsWith('HEAD'));
  });

  test.each(MONITORS)('gets not one byte for %j while none is', async (request) => {
    await using wire = await openWire(rig.gateway.port('down'));
    wire.send(request);
    expect(await wire.ended()).toBe('');
  });

  test('gets 200 or 503 for OPTIONS of the root', async () => {
    expect((await rig.ask('up', Buffer.from(F5_OPTIONS))).status).toBe(200);
    expect((await rig.ask('down', Buffer.from(F5_OPTIONS))).status).toBe(503);
  });

  test('does not disturb ICAP on the same port', async () => {
    expect((await rig.ask('up', options())).status).toBe(200);
    expect((await rig.ask('up', reqmod({ preview: 0 }))).status).toBe(204);
  });

  test('gets a 400 where monitor-replies is off', async () => {
    expect((await rig.ask('off', Buffer.from('GET / HTTP/1.0\r\n\r\n'))).status).toBe(400);
  });
});
