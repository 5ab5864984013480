import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Block } from '../../src/policy/block-list.ts';
import { BlockFile } from '../../src/runtime/block-file.ts';
import { createFolder, createLog } from '../_util/observe-log.ts';

const BLOCKS: readonly Block[] = [
  { address: '192.0.2.1', sinceMs: Date.UTC(2026, 10, 20), untilMs: undefined },
  { address: '2001:db8::/32', sinceMs: Date.UTC(2026, 10, 21), untilMs: Date.UTC(2026, 10, 22) },
];

interface Rig extends AsyncDisposable {
  readonly folder: string;
  readonly path: string;
  open(blocks: () => readonly Block[], folder?: string): BlockFile;
  events(): Promise<readonly Record<string, unknown>[]>;
}

async function createRig(): Promise<Rig> {
  const [log, { path: folder, ...dir }] = [await createLog(), await createFolder()];
  return {
    folder,
    path: join(folder, 'gateway.yaml.blocks.json'),
    open: (blocks, place = folder) =>
      new BlockFile({ folder: place, configFile: '/etc/icapgw/gateway.yaml', log: log.log, blocks }),
    events: async () => (await log.events()) as unknown as readonly Record<string, unknown>[],
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

describe('the file of blocks', () => {
  test('gives back what was blocked, with its begin and its end', async () => {
    await using rig = await createRig();
    expect(await rig.open(() => BLOCKS).save()).toBeUndefined();
    expect(rig.open(() => []).load()).toEqual(BLOCKS);
    expect(statSync(rig.path).mode & 0o777).toBe(0o600);
    expect(readdirSync(rig.folder)).toEqual(['gateway.yaml.blocks.json']);
  });

  test('holds the last of many changes, whatever was being written', async () => {
    await using rig = await createRig();
    let blocks: readonly Block[] = [];
    const file = rig.open(() => blocks);
    const saved = BLOCKS.map((block) => {
      blocks = [...blocks, block];
      return file.save();
    });
    expect(await Promise.all(saved)).toEqual([undefined, undefined]);
    await file.settled();
    expect(rig.open(() => []).load()).toEqual(BLOCKS);
  });

  test('names networks by their first address, so that they can be found', async () => {
    await using rig = await createRig();
    writeFileSync(rig.path, '{"blocks":[{"address":"192.0.2.7/24","since":"2026-11-20T00:00:00.000Z","until":null}]}');
    expect(rig.open(() => []).load()).toMatchObject([{ address: '192.0.2.0/24' }]);
  });

  test('is nothing where nobody was ever blocked', async () => {
    await using rig = await createRig();
    expect(rig.open(() => []).load()).toEqual([]);
    expect(existsSync(rig.path)).toBe(false);
  });

  test.each([
    'no JSON',
    '',
    '[]',
    '{"blocks":[{"address":"nonsense","since":"2026-11-20T00:00:00.000Z","until":null}]}',
    '{"blocks":[{"address":"192.0.2.1","since":"then","until":null}]}',
    '{"blocks":[{"address":"192.0.2.1","since":"2026-11-20T00:00:00.000Z","until":"soon"}]}',
    '{"blocks":[null]}',
  ])('is set aside and complained about when it holds %j', async (text) => {
    await using rig = await createRig();
    writeFileSync(rig.path, text);
    expect(rig.open(() => []).load()).toEqual([]);
    expect(readdirSync(rig.folder)).toEqual(['gateway.yaml.blocks.json.damaged']);
    expect(await rig.events()).toMatchObject([
      { level: 'error', event: 'blocks-damaged', file: `${rig.path}.damaged` },
    ]);
  });

  test('says why it cannot be written', async () => {
    await using rig = await createRig();
    writeFileSync(join(rig.folder, 'file'), '');
    const blocked = rig.open(() => BLOCKS, join(rig.folder, 'file', 'below'));
    expect(await blocked.save()).toContain('ENOTDIR');
    expect(await rig.events()).toMatchObject([{ level: 'warning', event: 'blocks-not-kept' }]);
    const homeless = new BlockFile({
      ...{ folder: undefined, configFile: '/dev/stdin' },
      log: { log: () => {} },
      blocks: () => BLOCKS,
    });
    expect(homeless.load()).toEqual([]);
    expect(await homeless.save()).toContain('STATE_DIRECTORY');
  });
});
