import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mismatches, readAdminSchema } from '../_util/admin-schema.ts';
import { ctl, getApi } from '../_util/e2e-ctl.ts';
import { BELIEVES_CLIENTS, dialFrom, isTurnedAway } from '../_util/e2e-feed.ts';
import { type RunningGateway, spawnGateway, startGateway } from '../_util/e2e-gateway.ts';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

let folder: TestFolder;
let backend: TunnelBackend;
let list: string;

beforeEach(async () => {
  folder = await createFolder();
  backend = await startTunnelBackend();
  list = join(folder.path, 'blocked.txt');
});
afterEach(async () => {
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function configWith(allow: readonly string[] = []): object {
  return {
    workers: 2,
    'block-list': { file: list, allow },
    services: [
      {
        ...{ name: 'tunnel', listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', health: { type: 'none' } },
        ...BELIEVES_CLIENTS,
        backends: [{ address: backend.address }],
      },
    ],
  };
}

/** For each of these, whether it is turned away. */
async function away(gateway: RunningGateway, ...sources: readonly string[]): Promise<readonly boolean[]> {
  return await Promise.all(sources.map((source) => isTurnedAway(source, gateway.port('tunnel'), 'hello')));
}

/** As an editor or a cron job does it. */
function replaceList(text: string): void {
  writeFileSync(`${list}.new`, text);
  renameSync(`${list}.new`, list);
}

describe('the list of blocked addresses', () => {
  test('turns away whom it names, from the first connection on, and follows the file', async () => {
    writeFileSync(list, '# ours\n198.51.100.7\n203.0.113.0/24 ; scanners\n2001:DB8::7\n');
    await using gateway = await startGateway(configWith(['203.0.113.9']));
    expect(await away(gateway, '198.51.100.7', '203.0.113.8', '2001:db8::7')).toEqual([true, true, true]);
    expect(await away(gateway, '203.0.113.9', '198.51.100.8', '2001:db8::8')).toEqual([false, false, false]);
    expect(await gateway.metric('icapgw_block_list_entries', { source: 'file' })).toBe(3);
    expect(await gateway.metric('icapgw_block_list_hits_total', { service: 'tunnel', level: 'peer' })).toBe(3);

    // Somebody who is connected is cut when the file comes to name it.
    const client = await dialFrom('198.51.100.8', gateway.port('tunnel'));
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.resume();
    replaceList('198.51.100.8\n');
    expect(await gateway.waitForEvent('block-list-read', ({ count }) => count === 1)).toMatchObject({ exempt: 0 });
    await closed;
    // Each worker is told by itself.
    await vi.waitFor(async () =>
      expect(await away(gateway, '198.51.100.8', '198.51.100.7', '203.0.113.8')).toEqual([true, false, false]),
    );

    replaceList('198.51.100.7\n<html>\n');
    expect((await gateway.waitForEvent('block-list-failed')).detail).toContain(`${list}:2: "<html>"`);
    expect(await away(gateway, '198.51.100.8', '198.51.100.7')).toEqual([true, false]);
  });

  test('is shown with its source, and lifted in the file or by what is allowed', async () => {
    writeFileSync(list, '198.51.100.7\n203.0.113.0/24\n');
    await using gateway = await startGateway(configWith());
    const answer = await getApi(gateway, 'blocked');
    expect(mismatches(readAdminSchema(), 'BlockedList', answer)).toEqual([]);
    expect(answer).toMatchObject({
      entries: [
        { ip: '198.51.100.7', source: 'file', type: '', until: null, findings: 0, relay: 'off', engines: {} },
        { ip: '203.0.113.0/24', source: 'file' },
      ],
      ...{ queue: null, smc: null },
    });
    expect((await ctl(gateway, 'blocked')).stdout).toMatch(/^198\.51\.100\.7 +out of the file +file /m);
    const refused = await ctl(gateway, 'unblock', '203.0.113.0/24');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`${list}, line 2: take it out there`) });
    writeFileSync(
      gateway.file,
      readFileSync(gateway.file, 'utf8').replace('"allow":[]', '"allow":["198.51.100.0/24"]'),
    );
    expect(await ctl(gateway, 'reload')).toMatchObject({ code: 0 });
    await vi.waitFor(async () => expect(await away(gateway, '198.51.100.7', '203.0.113.8')).toEqual([false, true]));
    expect(await gateway.metric('icapgw_block_list_entries', { source: 'file' })).toBe(1);
  });

  test('that cannot be used is refused at the start, by a check and by a reload', async () => {
    writeFileSync(list, '198.51.100.7\n198.51.100.300\n');
    {
      await using gateway = spawnGateway(configWith());
      expect((await gateway.exited).code).toBe(2);
      expect(gateway.stderr).toContain(`block-list.file: ${list}:2: "198.51.100.300" is neither`);
    }
    writeFileSync(list, '198.51.100.7\n');
    await using gateway = await startGateway(configWith());
    const config = readFileSync(gateway.file, 'utf8');
    writeFileSync(gateway.file, config.replace(list, `${list}.none`));
    const reload = await ctl(gateway, 'reload');
    expect(reload).toMatchObject({ code: 1, stderr: expect.stringContaining('blocked.txt.none does not exist') });
    expect(await away(gateway, '198.51.100.7')).toEqual([true]);
  });
});
