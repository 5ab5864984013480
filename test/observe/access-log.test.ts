import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { openAccessLog } from '../../src/observe/access-log.ts';
import type { TunnelAccess } from '../../src/observe/access-record.ts';
import { createFolder, createLog } from '../_util/observe-log.ts';
import { SAMPLE_ICAP_ACCESS } from '../_util/observe-record.ts';

const ACCESS: TunnelAccess = {
  kind: 'tunnel',
  timeMs: 0,
  service: 'mcas',
  connection: 7,
  client: '192.0.2.1:40820',
  tls: 'TLSv1.3',
  subject: 'O=Test, CN=client1',
  backend: 'dlp-1',
  bytesIn: 5,
  bytesOut: 10,
  ms: 12,
  reason: 'client',
};

describe('the access log', () => {
  test('has one object per connection, its keys in the documented order', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: errors.log });
    access.write(ACCESS);
    await access[Symbol.asyncDispose]();
    expect(await folder.read('access')).toBe(
      '{"time":"1970-01-01T00:00:00.000Z","service":"mcas","connection":7,"client":"192.0.2.1:40820","tls":"TLSv1.3",' +
        '"subject":"O=Test, CN=client1","backend":"dlp-1","bytesIn":5,"bytesOut":10,"ms":12,"reason":"client"}\n',
    );
  });

  test('says null for what is unknown, and bounds what a client chose', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: errors.log });
    const unknown = { tls: undefined, subject: undefined, backend: undefined, reason: 'tls-no-certificate' } as const;
    access.write({ ...ACCESS, ...unknown });
    access.write({ ...ACCESS, subject: `\n\u009b${'x'.repeat(100_000)}` });
    await access[Symbol.asyncDispose]();
    const [first = '', second = '', ...others] = await folder.lines('access');
    expect(JSON.parse(first)).toMatchObject({ tls: null, subject: null, backend: null, reason: 'tls-no-certificate' });
    expect(second.length).toBeLessThan(1500);
    expect(others).toEqual([]);
  });

  test('has one object per ICAP transaction: the same keys, then those of the request', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: errors.log });
    access.write(SAMPLE_ICAP_ACCESS);
    access.write({ ...SAMPLE_ICAP_ACCESS, http: 'GET http://u:p@h/?token=abc', path: '/av?apikey=abc' });
    const unknown = {
      http: undefined,
      status: undefined,
      httpStatus: undefined,
      verdict: undefined,
      threat: undefined,
    };
    const missing = { user: undefined, clientIp: undefined, retryReason: undefined, preview: undefined };
    access.write({ ...SAMPLE_ICAP_ACCESS, ...unknown, ...missing, msToFirstByte: undefined, istag: undefined });
    access.write({ ...SAMPLE_ICAP_ACCESS, http: `GET /${'x\u009b'.repeat(50_000)}`, path: `/${'y'.repeat(50_000)}` });
    await access[Symbol.asyncDispose]();
    const [first, second = '', third = '', fourth = ''] = await folder.lines('access');
    expect(first).toBe(
      '{"time":"2026-11-20T23:29:14.123Z","service":"mcas","connection":7,"client":"192.0.2.1:40820","tls":"TLSv1.3",' +
        '"subject":"O=Test, CN=client1","backend":"dlp-1","bytesIn":1326,"bytesOut":1167,"ms":12,"reason":"backend",' +
        '"transaction":"7-3","correlation":"c9b1","method":"REQMOD","path":"/echo","http":"POST http://host/s.conf?a=1&b=%20x","status":200,"httpStatus":403,' +
        '"verdict":"blocked","threat":"EICAR-Test","user":"dom\\\\alice","clientIp":"192.0.2.7","attempt":2,' +
        '"retryReason":"stale","preview":1024,"msToFirstByte":11,"istag":"\\"gw-0123\\""}',
    );
    expect(JSON.parse(second)).toMatchObject({ http: 'GET http://h/?token=***', path: '/av?apikey=***' });
    const keys = ['http', 'status', 'httpStatus', 'verdict', 'threat', 'user', 'clientIp', 'retryReason', 'preview'];
    const nulls = Object.fromEntries([...keys, 'msToFirstByte', 'istag'].map((key) => [key, null]));
    expect(JSON.parse(third)).toMatchObject(nulls);
    expect(fourth.length).toBeLessThan(6000);
  });

  test('in the squid format has squid lines for transactions, and JSON for the connections of tunnels', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'squid', log: errors.log });
    access.write(SAMPLE_ICAP_ACCESS);
    access.write(ACCESS);
    await access[Symbol.asyncDispose]();
    const [first, second = ''] = await folder.lines('access');
    expect(first).toContain(' ICAP_SAT/200 REQMOD ');
    expect(JSON.parse(second)).toMatchObject({ service: 'mcas', reason: 'client' });
  });

  test('goes on in a new file after a rotation', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: errors.log });
    await rename(folder.file('access'), folder.file('access.1'));
    await access.reopen();
    access.write(ACCESS);
    await access[Symbol.asyncDispose]();
    expect(await folder.lines('access')).toHaveLength(1);
  });

  test('goes on in the old file where the new one cannot be opened, and tells the log', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: errors.log });
    await rename(folder.file('access'), folder.file('access.1'));
    await mkdir(folder.file('access'));
    await access.reopen();
    access.write(ACCESS);
    await access[Symbol.asyncDispose]();
    expect(await folder.lines('access.1')).toHaveLength(1);
    expect(await errors.events()).toMatchObject([
      { event: 'log-open-failed', file: folder.file('access'), detail: expect.stringContaining('EISDIR') },
    ]);
  });

  test.runIf(process.platform === 'linux')('tells its trouble to the log', async () => {
    await using folder = await createFolder();
    await using errors = await createLog();
    await symlink('/dev/full', folder.file('access'));
    const access = await openAccessLog({ file: folder.file('access'), format: 'json', log: errors.log });
    for (let index = 0; index < 40_000; index += 1) access.write(ACCESS);
    const lost = access.lostCount;
    expect(lost).toBeGreaterThan(0);
    await rm(folder.file('access'));
    await access.reopen();
    await vi.waitFor(async () => expect((await folder.lines('access')).length).toBe(40_000 - lost));
    await access[Symbol.asyncDispose]();
    expect(await errors.events()).toMatchObject([
      { event: 'access-log-failed', level: 'error', file: folder.file('access') },
      { event: 'log-lines-lost', count: lost, file: folder.file('access') },
    ]);
  });

  test('cannot be opened: the error names it', async () => {
    await using errors = await createLog();
    await expect(openAccessLog({ file: '/nowhere/access', format: 'json', log: errors.log })).rejects.toMatchObject({
      code: 'ICAPGW_LOG_FILE',
      message: expect.stringContaining('/nowhere/access'),
    });
  });
});
