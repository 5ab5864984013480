import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startRecordingBackend } from '../_util/differential-backend.ts';
import { startGatewayAsStunnel } from '../_util/differential-gateway.ts';
import { visit } from '../_util/tls-client.ts';

const CASES = join(import.meta.dirname, '../../stunnel-compat/cases');
/** The gateway's own two lines stand in front of the published text. */
const CAFILE_LINE = 5 + 2;

test.each(['microsoft-linux', 'microsoft-windows'])(
  '%s runs as published, for the pinned client only',
  async (name) => {
    const lab = certificates();
    await using backend = await startRecordingBackend((socket) => void socket.write('welcome'));
    const text = readFileSync(join(CASES, name, 'stunnel.conf'), 'utf8')
      .replace('0.0.0.0:11344', '127.0.0.1:0')
      .replace('10.0.0.5:1344', `127.0.0.1:${backend.port}`)
      .replace(/^cert = .*pem/m, `cert = ${lab.server.combined}`)
      .replace(/^CAfile = .*pem/m, `CAfile = ${lab.client.cert}`);
    await using gateway = await startGatewayAsStunnel(text);
    const { port } = gateway;
    expect((await visit({ port, identity: lab.client })).text).toBe('welcome');
    expect((await visit({ port, identity: lab.secondClient })).text).toBe('');
    expect((await visit({ port })).text).toBe('');
    const problems = gateway.log.filter((line) => line.includes('"event":"config-problem"'));
    expect(problems.map((line) => JSON.parse(line))).toMatchObject([
      { line: CAFILE_LINE, severity: 'warning', code: 'ICAPGW_STUNNEL_DIFFERS' },
    ]);
  },
);
