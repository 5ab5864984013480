import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { RuntimeError } from '../../src/errors.ts';
import { Reloader } from '../../src/runtime/reloader.ts';
import { certificates } from '../_util/certificates.ts';
import { type ConfigFolder, createConfigFolder } from '../_util/config-folder.ts';
import { serviceText } from '../_util/config-text.ts';
import { createLog } from '../_util/observe-log.ts';

const FILE = 'icapgw.yaml';

/** A reloader of a file that can be rewritten; each configuration that it hands on waits for the next `let`. */
async function startReloader(folder: ConfigFolder, apply: (config: Config) => Promise<void>) {
  const told = await createLog();
  const { config } = loadConfig(FILE, folder.path);
  if (config === undefined) throw new Error('the first configuration must be usable');
  const results: boolean[] = [];
  const reloader = new Reloader({
    ...{ config, cwd: folder.path, host: 'run', log: told.log, apply, isEnding: () => false },
    onResult: (isSuccess) => results.push(isSuccess),
  });
  return { reloader, told, results };
}

describe('a reload', () => {
  test('hands on what the file says now', async () => {
    using folder = createConfigFolder({ [FILE]: serviceText() });
    const applied: (string | undefined)[] = [];
    const { reloader, told, results } = await startReloader(folder, async ({ services }) => {
      applied.push(services[0]?.listen.map((address) => (address.kind === 'tcp' ? address.port : 0)).join());
    });
    await using _told = told;
    writeFileSync(join(folder.path, FILE), serviceText().replace('11344', '11345'));
    expect(await reloader.reload()).toEqual({ ok: true });
    expect([applied, results]).toEqual([['11345'], [true]]);
    expect(await told.events()).toMatchObject([
      { event: 'config-reading' },
      { event: 'config-accepted' },
      { event: 'reloaded', services: 1 },
    ]);
  });

  test('does not count those that a service redirects as another one', async () => {
    const { server, ca } = certificates();
    const tls = `{ cert: ${server.combined}, client-auth: { ca: ${ca.cert}, redirect: 127.0.0.1:9 } }`;
    using folder = createConfigFolder({ [FILE]: serviceText({ tls }) });
    const { reloader, told } = await startReloader(folder, async ({ services }) => expect(services).toHaveLength(2));
    await using _told = told;
    await reloader.reload();
    expect((await told.events()).find(({ event }) => event === 'reloaded')).toMatchObject({ services: 1 });
  });

  test('of a file with mistakes hands on nothing, and names every one with its line', async () => {
    using folder = createConfigFolder({ [FILE]: serviceText() });
    const { reloader, told, results } = await startReloader(folder, () => Promise.reject(new Error('never asked')));
    await using _told = told;
    writeFileSync(join(folder.path, FILE), serviceText({ extra: 'colour: red\nflavour: sweet' }));
    const result = await reloader.reload();
    expect(result).toEqual({
      ok: false,
      problems: [expect.stringMatching(/icapgw\.yaml:8: .*colour/), expect.stringMatching(/icapgw\.yaml:9: .*flavour/)],
    });
    expect(results).toEqual([false]);
    const events = await told.events();
    expect(events.map(({ event }) => event)).toEqual([
      'config-reading',
      'config-problem',
      'config-problem',
      'reload-failed',
    ]);
  });

  test('of a file that is gone says so', async () => {
    using folder = createConfigFolder({ [FILE]: serviceText() });
    const { reloader, told } = await startReloader(folder, () => Promise.reject(new Error('never asked')));
    await using _told = told;
    rmSync(join(folder.path, FILE));
    expect(await reloader.reload()).toMatchObject({ ok: false, problems: [expect.stringContaining(FILE)] });
  });

  test('whose addresses cannot be had says why', async () => {
    using folder = createConfigFolder({ [FILE]: serviceText() });
    const failure = new RuntimeError('ICAPGW_LISTEN', { detail: 'somebody else listens there' });
    const { reloader, told, results } = await startReloader(folder, () => Promise.reject(failure));
    await using _told = told;
    expect(await reloader.reload()).toEqual({ ok: false, problems: [expect.stringContaining('somebody else')] });
    expect(results).toEqual([false]);
  });

  test('names what only a restart can change, as long as it differs from the start', async () => {
    using folder = createConfigFolder({ [FILE]: serviceText() });
    const { reloader, told } = await startReloader(folder, async () => {});
    await using _told = told;
    for (const top of [
      'workers: 3\nlog: { level: debug, file: other.log, access: access.log }\n',
      'workers: 3\nlog: { level: debug, file: other.log, access: access.log }\n',
      'log: { level: debug, file: other.log, overwrite: true, stderr: true }\n',
    ]) {
      writeFileSync(join(folder.path, FILE), top + serviceText());
      await reloader.reload();
    }
    const asked = (await told.events()).filter(({ event }) => event === 'restart-needed');
    expect(asked.map(({ keys }) => keys)).toEqual([
      ['workers', 'log'],
      ['workers', 'log'],
    ]);
  });
});

test('requests that come during a reload share one more, which reads the file anew', async () => {
  using folder = createConfigFolder({ [FILE]: serviceText() });
  const gate = Promise.withResolvers<void>();
  const applied: number[] = [];
  const { reloader, told } = await startReloader(folder, async ({ workers }) => {
    applied.push(workers);
    await gate.promise;
  });
  await using _told = told;
  writeFileSync(join(folder.path, FILE), `workers: 2\n${serviceText()}`);
  const first = reloader.reload();
  writeFileSync(join(folder.path, FILE), `workers: 3\n${serviceText()}`);
  const later = [reloader.reload(), reloader.reload()];
  expect(applied).toEqual([2]);
  gate.resolve();
  expect(await Promise.all([first, ...later])).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
  expect(applied).toEqual([2, 3]);
  expect(await reloader.reload()).toEqual({ ok: true });
  expect(applied).toEqual([2, 3, 3]);
});
