import { once } from 'node:events';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { createProbe } from '../../src/health/create-probe.ts';
import { startProbedServer, startSecureProbedServer } from '../_util/health-server.ts';
import { expectation } from '../_util/health-target.ts';
import { describeProbe, probePort, probeSilence } from './probe.contract.ts';

describe('the tls probe', () => {
  describeProbe('tls', () => startSecureProbedServer());

  test('a member that accepts and does not shake hands is down', async () => {
    await using server = await startProbedServer();
    expect(await probeSilence('tls', server.port)).toMatchObject({
      reason: 'timeout',
      detail: 'no answer within 20 ms',
    });
  });

  test('a member that speaks in clear is down', async () => {
    await using server = await startProbedServer((socket) => socket.write('220 mail.example ESMTP\r\n'));
    expect(await probePort('tls', server.port)).toMatchObject({ ok: false, reason: 'tls' });
  });

  test('a member that closes in the handshake is down', async () => {
    await using server = await startProbedServer((socket) => socket.end());
    expect(await probePort('tls', server.port)).toMatchObject({ ok: false, reason: 'reset' });
  });

  test('a connection that the dialer has secured already is not secured twice', async () => {
    await using server = await startSecureProbedServer();
    const dial = async () => {
      const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return socket;
    };
    const probe = createProbe('tls', { dial, icap: expectation() });
    expect(await probe({ timeoutMs: 10_000, signal: new AbortController().signal })).toMatchObject({ ok: true });
    expect(await server.closed).toBe('ended');
  });
});
