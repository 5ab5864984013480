import { afterAll, beforeAll, expect, test } from 'vitest';
import { configText, type Programs, playBoth, startBoth } from '../_util/differential.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';

let backend: RecordingBackend;
let programs: Programs;
beforeAll(async () => {
  backend = await startRecordingBackend((socket) => void socket.on('data', () => socket.end('answer')));
  const lines = ['protocol = proxy', `connect = 127.0.0.1:${backend.port}`];
  const text = configText({ 'over IPv4': lines, 'over IPv6': lines });
  programs = await startBoth(text.replace(/(\[over IPv6\]\naccept = )127\.0\.0\.1/, '$1::1'));
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

test.each([
  { service: 'over IPv4', host: '127.0.0.1', head: 'PROXY TCP4 127.0.0.1 127.0.0.1' },
  { service: 'over IPv6', host: '::1', head: 'PROXY TCP6 ::1 ::1' },
])('protocol = proxy tells the backend who the client is: $service', async ({ service, host, head }) => {
  const both = await playBoth(programs, async ({ portOf }) => {
    const port = portOf(service);
    const client = new WireClient(port, { host });
    await client.handshake();
    const { localPort } = client;
    client.socket.write('request');
    await client.ended();
    const { received } = await backend.nextVisit();
    return { line: received.replace(/\r\n.*$/, ''), expected: `${head} ${localPort} ${port}` };
  });
  for (const { line, expected } of Object.values(both)) expect(line).toBe(expected);
});

test('the line comes before anything the client has sent', async () => {
  const both = await playBoth(programs, async ({ portOf }) => {
    const client = new WireClient(portOf('over IPv4'), {});
    client.socket.write('early');
    await client.ended();
    return (await backend.nextVisit()).received;
  });
  for (const received of Object.values(both)) expect(received).toMatch(/^PROXY TCP4 [^\r\n]*\r\nearly$/);
});
