import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { followFeedFiles, type TlsFeed } from '../../src/runtime/feed-trust.ts';
import { type KeyPair, loadKeyPair } from '../../src/tls/material.ts';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { createSwappedIdentity, replaceFile } from '../_util/e2e-reload.ts';
import { createFolder, createLog, type TestFolder, type TestLog } from '../_util/observe-log.ts';

const lab = certificates();

interface Rig extends AsyncDisposable {
  readonly feed: TlsFeed;
  readonly shown: readonly string[];
  readonly served: ReturnType<typeof createSwappedIdentity>;
  events(): Promise<readonly (readonly [event: unknown, service: unknown, kind?: unknown])[]>;
}

let folder: TestFolder;
let log: TestLog;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  folder = await createFolder();
  log = await createLog();
});
afterEach(async () => {
  vi.useRealTimers();
  await log[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function pairOf({ cert, key }: Pick<LabIdentity, 'cert' | 'key'>): KeyPair {
  return loadKeyPair({ certFile: cert, keyFile: key, passphraseFile: undefined, securityLevel: undefined });
}

function follow(identity: LabIdentity): Rig {
  const served = createSwappedIdentity(folder.path, identity);
  const shown: string[] = [];
  const feed = {
    tls: { cert: served.cert, key: served.key, keyPassphraseFile: undefined, minVersion: 'TLSv1.2' } as const,
    keyPair: pairOf(served),
    useKeyPair(keyPair: KeyPair) {
      feed.keyPair = keyPair;
      shown.push(keyPair.leaf.fingerprint256);
    },
  };
  const following = followFeedFiles(feed, log.log);
  return {
    ...{ feed, shown, served },
    events: async () =>
      (await log.events()).map(({ event, service, kind }) =>
        kind === undefined ? [event, service] : [event, service, kind],
      ),
    async [Symbol.asyncDispose]() {
      following[Symbol.dispose]();
    },
  };
}

test('a certificate that is renewed on the disk is shown within a second, once', async () => {
  await using rig = follow(lab.server);
  vi.advanceTimersByTime(2000);
  expect(rig.shown).toEqual([]);
  rig.served.swap(lab.rsaServer);
  vi.advanceTimersByTime(1000);
  expect(rig.shown).toEqual([pairOf(lab.rsaServer).leaf.fingerprint256]);
  vi.advanceTimersByTime(2000);
  expect(rig.shown).toHaveLength(1);
  expect(await rig.events()).toEqual([['certificates-read', 'feeds.guardduty']]);
});

test('half of a pair is not shown, is told once, and is taken when the other half is there', async () => {
  await using rig = follow(lab.server);
  replaceFile(rig.served.cert, readFileSync(lab.rsaServer.cert));
  vi.advanceTimersByTime(3000);
  expect(rig.shown).toEqual([]);
  replaceFile(rig.served.key, readFileSync(lab.rsaServer.key));
  vi.advanceTimersByTime(1000);
  expect(rig.shown).toEqual([pairOf(lab.rsaServer).leaf.fingerprint256]);
  expect(await rig.events()).toEqual([
    ['certificates-failed', 'feeds.guardduty'],
    ['certificates-read', 'feeds.guardduty'],
  ]);
});

test('one that has expired is told at the start, and again while it is served', async () => {
  await using rig = follow(lab.expiredServer);
  vi.advanceTimersByTime(60 * 60 * 1000);
  expect(await rig.events()).toEqual([
    ['certificate-expired', 'feeds.guardduty', 'server'],
    ['certificate-expired', 'feeds.guardduty', 'server'],
  ]);
  rig.served.swap(lab.server);
  vi.advanceTimersByTime(1000);
  expect(rig.shown).toEqual([pairOf(lab.server).leaf.fingerprint256]);
});

test('a feed in clear has nothing to follow', async () => {
  using _ = followFeedFiles(
    {
      ...{ tls: undefined, keyPair: undefined },
      useKeyPair() {
        throw new Error('there is nothing to show');
      },
    },
    log.log,
  );
  vi.advanceTimersByTime(5000);
  expect(await log.events()).toEqual([]);
});
